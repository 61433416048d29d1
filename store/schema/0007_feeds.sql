-- +goose Up
-- Where an account's announcements go, and what is under way to there.

ALTER TABLE accounts ADD COLUMN feeds BIGINT NOT NULL DEFAULT 0; -- how many there are, so that an account without any is not asked

CREATE TABLE feeds (
    account_id  TEXT NOT NULL,
    id          TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    kind        TEXT NOT NULL, -- webhook, ssf
    url         TEXT NOT NULL DEFAULT '', -- '' : it is polled
    events      TEXT NOT NULL DEFAULT '[]',
    compat      BOOLEAN NOT NULL DEFAULT FALSE,
    peer        TEXT NOT NULL DEFAULT '',
    status      TEXT NOT NULL, -- enabled, paused, disabled
    reason      TEXT NOT NULL DEFAULT '',
    since       BIGINT NOT NULL,
    generation  BIGINT NOT NULL DEFAULT 1, -- of a webhook's secret; the one before stands in secrets too while it still signs
    rotated_at  BIGINT NOT NULL DEFAULT 0,
    receiver_id TEXT NOT NULL DEFAULT '',
    audience    TEXT NOT NULL DEFAULT '',
    requested   TEXT NOT NULL DEFAULT '[]',
    spelling    TEXT NOT NULL DEFAULT '',
    description TEXT NOT NULL DEFAULT '',
    asked_at    BIGINT NOT NULL DEFAULT 0,
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, name)
);
CREATE UNIQUE INDEX feeds_receiver ON feeds (account_id, receiver_id) WHERE receiver_id <> ''; -- a receiver has one stream
CREATE INDEX feeds_push ON feeds (account_id, id) WHERE url <> '';

CREATE TABLE deliveries (
    account_id TEXT NOT NULL,
    feed_id    TEXT NOT NULL,
    subject    TEXT NOT NULL, -- the later one of a subject waits for the earlier one
    seq        BIGINT NOT NULL, -- and this says which is later
    id         TEXT NOT NULL, -- what the receiver knows it by
    type       TEXT NOT NULL,
    control    BOOLEAN NOT NULL, -- about the stream itself: sent whatever its status
    body       TEXT NOT NULL, -- account.Announcement as JSON
    at         BIGINT NOT NULL,
    state      TEXT NOT NULL, -- waiting, done, dead
    due_at     BIGINT NOT NULL, -- the next try; while one is under way, when it counts as lost
    attempts   BIGINT NOT NULL DEFAULT 0,
    answer     BIGINT NOT NULL DEFAULT 0,
    error      TEXT NOT NULL DEFAULT '',
    ended_at   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, feed_id, subject, seq)
);
CREATE UNIQUE INDEX deliveries_id ON deliveries (account_id, feed_id, id);
CREATE INDEX deliveries_due ON deliveries (account_id, feed_id, due_at) WHERE state = 'waiting';
CREATE INDEX deliveries_order ON deliveries (account_id, feed_id, subject, seq) WHERE state = 'waiting';
CREATE INDEX deliveries_age ON deliveries (at) WHERE state = 'waiting';
CREATE INDEX deliveries_ended ON deliveries (state, ended_at) WHERE state <> 'waiting';

CREATE TABLE receivers (
    account_id      TEXT NOT NULL,
    id              TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    audience        TEXT NOT NULL,
    read_only       BOOLEAN NOT NULL DEFAULT FALSE,
    compat          BOOLEAN NOT NULL DEFAULT FALSE,
    digest          BYTEA NOT NULL, -- SHA-256 of its credential
    previous_digest BYTEA NOT NULL, -- of the one before, while it is still taken; empty: none
    previous_until  BIGINT NOT NULL DEFAULT 0,
    last4           TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    created_by      TEXT NOT NULL,
    used_at         BIGINT NOT NULL DEFAULT 0, -- renewed at most once a minute
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, name)
);
CREATE INDEX receivers_digest ON receivers (digest);
CREATE INDEX receivers_previous ON receivers (previous_digest) WHERE previous_until > 0;

-- Whom a receiver does not want to hear of: a stream is about everybody else.
CREATE TABLE feed_removals (
    account_id TEXT NOT NULL,
    feed_id    TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (account_id, feed_id, user_id)
);

-- The private halves are among the secrets.
CREATE TABLE signing_keys (
    account_id TEXT NOT NULL,
    id         TEXT NOT NULL, -- kid
    public     BYTEA NOT NULL, -- PKIX
    state      TEXT NOT NULL, -- next, signing, retired
    created_at BIGINT NOT NULL,
    since      BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX signing_keys_state ON signing_keys (account_id, state) WHERE state <> 'retired';
