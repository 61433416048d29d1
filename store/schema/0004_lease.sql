-- +goose Up
-- What has been shut, for processes that answer checks from memory, and who they are (docs/decisions/lease.md).

CREATE TABLE revocation_head (
    id  BIGINT PRIMARY KEY, -- 1: one row for the installation
    rev BIGINT NOT NULL
);
INSERT INTO revocation_head (id, rev) VALUES (1, 0);

CREATE TABLE revocation_log (
    rev    BIGINT NOT NULL,
    kind   TEXT NOT NULL,
    target TEXT NOT NULL,
    nonce  TEXT NOT NULL, -- drawn for each rev: another history has other ones
    at     BIGINT NOT NULL,
    writer TEXT NOT NULL, -- the replica that wrote it; empty: a process that answers no checks
    PRIMARY KEY (rev, kind, target)
);
INSERT INTO revocation_log (rev, kind, target, nonce, at, writer) VALUES (0, 'none', '', '', 0, '');

CREATE TABLE replicas (
    id      TEXT PRIMARY KEY,
    applied BIGINT NOT NULL, -- all of the log up to here; -1: it has only just come
    lease   BIGINT NOT NULL, -- microseconds that it may answer from memory without having asked
    seen_at BIGINT NOT NULL  -- by the database's clock
);
