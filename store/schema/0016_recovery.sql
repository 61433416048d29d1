-- +goose Up
-- How the owner of an account gets back in without its identity provider. What is verified stays in force until another address is.
CREATE TABLE recovery (
    account_id   TEXT PRIMARY KEY,
    email        TEXT NOT NULL DEFAULT '', -- verified
    verified_at  BIGINT NOT NULL DEFAULT 0,
    pending      TEXT NOT NULL DEFAULT '', -- waits to be verified
    set_at       BIGINT NOT NULL DEFAULT 0,
    set_by       TEXT NOT NULL DEFAULT '',
    rehearsed_at BIGINT NOT NULL DEFAULT 0,
    used_at      BIGINT NOT NULL DEFAULT 0,
    waived_at    BIGINT NOT NULL DEFAULT 0, -- 0: not waived
    waived_by    TEXT NOT NULL DEFAULT '',
    waived_why   TEXT NOT NULL DEFAULT ''
);

-- One link of a purpose at a time: a newer letter kills the one before.
CREATE TABLE recovery_links (
    account_id    TEXT NOT NULL,
    purpose       TEXT NOT NULL, -- verify, rehearse, enter, address
    email         TEXT NOT NULL, -- where it went
    user_id       TEXT NOT NULL DEFAULT '', -- whom it is about
    link_digest   BYTEA NOT NULL UNIQUE,
    link_state    TEXT NOT NULL,
    link_validity BIGINT NOT NULL,
    link_until    BIGINT NOT NULL,
    PRIMARY KEY (account_id, purpose)
);

-- How often something was tried since an instant, so that it can be slowed down on all replicas together.
CREATE TABLE counted_tries (
    what  TEXT PRIMARY KEY, -- for instance recover:ip:192.0.2.7
    since BIGINT NOT NULL,
    n     BIGINT NOT NULL
);
CREATE INDEX counted_tries_since ON counted_tries (since);
