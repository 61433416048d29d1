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

-- Who wishes for what mail. The token is in each such letter and does nothing but end the wish.
CREATE TABLE notification_wishes (
    user_id TEXT NOT NULL,
    service TEXT NOT NULL, -- id in the catalogue, or portal
    kind    TEXT NOT NULL,
    wanted  BOOLEAN NOT NULL,
    token   TEXT NOT NULL UNIQUE,
    at      BIGINT NOT NULL,
    PRIMARY KEY (user_id, service, kind)
);
CREATE INDEX notification_wishes_for ON notification_wishes (service, kind, user_id) WHERE wanted;

-- Who has been asked what they wish for, so that nobody is asked twice.
CREATE TABLE notification_asked (
    user_id TEXT PRIMARY KEY,
    at      BIGINT NOT NULL
);

CREATE TABLE publications (
    id          TEXT PRIMARY KEY,
    service     TEXT NOT NULL,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    body        TEXT NOT NULL,
    at          BIGINT NOT NULL,
    by_actor    TEXT NOT NULL,
    cursor_user TEXT NOT NULL DEFAULT '', -- up to whom letters have been written
    sent        BIGINT NOT NULL DEFAULT 0,
    done        BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX publications_open ON publications (id) WHERE NOT done;

-- The onboarding of a connection, from its first draft until the operator has finalised it.
CREATE TABLE tickets (
    account_id    TEXT NOT NULL,
    id            TEXT NOT NULL UNIQUE,
    connection_id TEXT NOT NULL UNIQUE,
    state         TEXT NOT NULL, -- requested, confirmed, finalised
    opened_at     BIGINT NOT NULL,
    opened_by     TEXT NOT NULL,
    assignee      TEXT NOT NULL, -- who configures; others only look
    confirmed_at  BIGINT NOT NULL DEFAULT 0,
    confirmed_by  TEXT NOT NULL DEFAULT '',
    finalised_at  BIGINT NOT NULL DEFAULT 0,
    finalised_by  TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (account_id, id)
);

-- A ticket that is being handed to a colleague; one at a time.
CREATE TABLE ticket_handovers (
    account_id    TEXT NOT NULL,
    ticket_id     TEXT NOT NULL,
    to_user       TEXT NOT NULL,
    by_user       TEXT NOT NULL,
    link_digest   BYTEA NOT NULL UNIQUE,
    link_state    TEXT NOT NULL,
    link_validity BIGINT NOT NULL,
    link_until    BIGINT NOT NULL,
    PRIMARY KEY (account_id, ticket_id)
);
