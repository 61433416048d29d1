-- +goose Up
-- What ends when somebody leaves, and the receipt of it.

CREATE TABLE personal_keys (
    account_id TEXT NOT NULL,
    id         TEXT NOT NULL UNIQUE,
    org_id     TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    digest     BYTEA NOT NULL UNIQUE, -- SHA-256 of the key
    name       TEXT NOT NULL,
    last4      TEXT NOT NULL,
    state      TEXT NOT NULL, -- active, revoked
    reason     TEXT NOT NULL DEFAULT '',
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL DEFAULT 0, -- 0: never
    used_at    BIGINT NOT NULL DEFAULT 0, -- renewed at most once a minute
    ended_at   BIGINT NOT NULL DEFAULT 0,
    flagged_at BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX personal_keys_user ON personal_keys (user_id, account_id);

CREATE TABLE receipts (
    account_id    TEXT NOT NULL,
    id            TEXT NOT NULL, -- sorts by time
    user_id       TEXT NOT NULL,
    email         TEXT NOT NULL,
    source        TEXT NOT NULL,
    actor         TEXT NOT NULL,
    why           TEXT NOT NULL,
    txn           TEXT NOT NULL DEFAULT '',
    received_at   BIGINT NOT NULL,
    committed_at  BIGINT NOT NULL DEFAULT 0, -- noted after the commit; 0: the process ended first
    everywhere_at BIGINT NOT NULL DEFAULT 0,
    sessions      BIGINT NOT NULL,
    keys          BIGINT NOT NULL,
    suspended     BOOLEAN NOT NULL,
    disabled      BOOLEAN NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX receipts_user ON receipts (account_id, user_id, id);
