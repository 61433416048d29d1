-- +goose Up
-- What keeps a connection from removing too many people at once. A source is a connection, or a stream that belongs to none.
CREATE TABLE breakers (
    account_id  TEXT NOT NULL,
    source_id   TEXT NOT NULL,
    off         BOOLEAN NOT NULL DEFAULT FALSE,
    share       BIGINT NOT NULL, -- percent of its people
    within      BIGINT NOT NULL, -- microseconds
    least       BIGINT NOT NULL, -- people that there have to be
    people      BIGINT NOT NULL DEFAULT 0, -- how many it had
    counted_at  BIGINT NOT NULL DEFAULT 0,
    paused_at   BIGINT NOT NULL DEFAULT 0, -- 0: removals go through
    removed     BIGINT NOT NULL DEFAULT 0, -- how many had been removed by then
    allow_left  BIGINT NOT NULL DEFAULT 0, -- removals that go through uncounted
    allow_until BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, source_id)
);

-- Whom a source has removed lately, each once.
CREATE TABLE breaker_removals (
    account_id TEXT NOT NULL,
    source_id  TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    at         BIGINT NOT NULL,
    PRIMARY KEY (account_id, source_id, user_id)
);
CREATE INDEX breaker_removals_at ON breaker_removals (account_id, source_id, at);

-- What a company decided about telling us of people who leave (K-18).
CREATE TABLE sync_decisions (
    account_id      TEXT NOT NULL,
    connection_id   TEXT NOT NULL,
    decision        TEXT NOT NULL, -- scim, events, none
    acknowledged_by TEXT NOT NULL,
    evidence        TEXT NOT NULL, -- where the acknowledgment is kept
    note            TEXT NOT NULL DEFAULT '',
    recorded_at     BIGINT NOT NULL,
    recorded_by     TEXT NOT NULL,
    PRIMARY KEY (account_id, connection_id)
);
