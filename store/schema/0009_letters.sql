-- +goose Up
-- Mail on its way: written in the transaction of what it tells about, sent by whoever takes it next.
CREATE TABLE letters (
    account_id TEXT NOT NULL,
    id         TEXT NOT NULL, -- sorts by time
    to_address TEXT NOT NULL,
    name       TEXT NOT NULL,
    data       BYTEA NOT NULL, -- sealed JSON: a letter may carry a link that lets somebody in
    at         BIGINT NOT NULL,
    state      TEXT NOT NULL, -- waiting, done, dead
    due_at     BIGINT NOT NULL,
    attempts   BIGINT NOT NULL DEFAULT 0,
    error      TEXT NOT NULL DEFAULT '',
    ended_at   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX letters_due ON letters (due_at) WHERE state = 'waiting';
CREATE INDEX letters_ended ON letters (ended_at) WHERE state <> 'waiting';
