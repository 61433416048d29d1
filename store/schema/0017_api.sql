-- +goose Up
-- Changes that a caller of the API named with an Idempotency-Key: the row is there before the change begins, the answer comes with its end.
CREATE TABLE api_calls (
    caller      TEXT NOT NULL, -- a person in an account, their key, or an operator's token
    key         BYTEA NOT NULL, -- SHA-256 of the key
    fingerprint BYTEA NOT NULL, -- SHA-256 of what was asked
    begun_at    BIGINT NOT NULL,
    ended_at    BIGINT NOT NULL DEFAULT 0, -- 0: under way, or it ended with the process
    answer      BYTEA NOT NULL, -- sealed; empty: what came of it is not known
    PRIMARY KEY (caller, key)
);
CREATE INDEX api_calls_begun ON api_calls (begun_at);

-- What lets a program do the operator's work over HTTP (A-15).
CREATE TABLE operator_tokens (
    id         TEXT PRIMARY KEY,
    digest     BYTEA NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    last4      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL DEFAULT 0,
    revoked_at BIGINT NOT NULL DEFAULT 0
);
