-- +goose Up
-- Security events that come in: who may send them, what came, and what it did.

CREATE TABLE streams (
    account_id    TEXT NOT NULL,
    id            TEXT NOT NULL UNIQUE,
    connection_id TEXT NOT NULL DEFAULT '', -- '' : of no identity provider
    name          TEXT NOT NULL,
    enabled       BOOLEAN NOT NULL,
    settings      TEXT NOT NULL, -- account.Stream as JSON; its secrets are among the others
    status        TEXT NOT NULL DEFAULT '', -- as the transmitter says: enabled, paused, disabled
    status_why    TEXT NOT NULL DEFAULT '',
    status_at     BIGINT NOT NULL DEFAULT 0,
    pending_state TEXT NOT NULL DEFAULT '', -- of the verification that we asked for
    pending_at    BIGINT NOT NULL DEFAULT 0,
    verified_at   BIGINT NOT NULL DEFAULT 0, -- when a state of ours came back
    checked_at    BIGINT NOT NULL DEFAULT 0, -- the last verification event
    event_at      BIGINT NOT NULL DEFAULT 0, -- the last token
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, name)
);

CREATE TABLE stream_credentials (
    account_id TEXT NOT NULL,
    stream_id  TEXT NOT NULL,
    id         TEXT NOT NULL,
    path       BOOLEAN NOT NULL, -- part of the address, for senders without an Authorization header
    digest     BYTEA NOT NULL UNIQUE, -- SHA-256
    last4      TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    used_at    BIGINT NOT NULL DEFAULT 0, -- renewed at most once a minute
    PRIMARY KEY (account_id, stream_id, id)
);

-- Each token counts once. It is written with what it does, so that a refused or failed one was never here.
CREATE TABLE sets (
    account_id  TEXT NOT NULL,
    issuer      TEXT NOT NULL,
    jti         TEXT NOT NULL,
    stream_id   TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    claims      TEXT NOT NULL,
    PRIMARY KEY (account_id, issuer, jti)
);
CREATE INDEX sets_received ON sets (received_at);

CREATE TABLE stream_events (
    account_id  TEXT NOT NULL,
    id          TEXT NOT NULL, -- sorts by time
    stream_id   TEXT NOT NULL,
    issuer      TEXT NOT NULL,
    jti         TEXT NOT NULL,
    txn         TEXT NOT NULL DEFAULT '',
    type        TEXT NOT NULL,
    at          BIGINT NOT NULL, -- when it happened
    received_at BIGINT NOT NULL,
    subject     TEXT NOT NULL DEFAULT '', -- account.SubjectID as JSON
    body        TEXT NOT NULL,
    user_id     TEXT NOT NULL DEFAULT '',
    outcome     TEXT NOT NULL,
    detail      TEXT NOT NULL DEFAULT '',
    sessions    BIGINT NOT NULL DEFAULT 0,
    keys        BIGINT NOT NULL DEFAULT 0,
    attempts    BIGINT NOT NULL DEFAULT 0,
    retry_at    BIGINT NOT NULL DEFAULT 0, -- 0: never
    fetch_uri   TEXT NOT NULL DEFAULT '', -- a SCIM resource to be fetched
    PRIMARY KEY (account_id, id)
);
CREATE INDEX stream_events_list ON stream_events (account_id, stream_id, id);
CREATE INDEX stream_events_token ON stream_events (account_id, issuer, jti);
CREATE INDEX stream_events_outcome ON stream_events (account_id, outcome, id);
CREATE INDEX stream_events_retry ON stream_events (retry_at) WHERE retry_at > 0;
CREATE INDEX stream_events_fetch ON stream_events (id) WHERE fetch_uri <> '';
CREATE INDEX stream_events_received ON stream_events (received_at);

-- Who was named by an event that shuts out and was not here yet: it overtook the provisioning, and is tried again when they appear.
CREATE TABLE stream_waiting (
    account_id TEXT NOT NULL,
    name       TEXT NOT NULL, -- "email ana@acme.example", "subject con_… 00u7", "external con_… e-1001"
    event_id   TEXT NOT NULL,
    until      BIGINT NOT NULL,
    PRIMARY KEY (account_id, name, event_id)
);
CREATE INDEX stream_waiting_until ON stream_waiting (until);

-- What a transmitter calls the resources of its connection.
CREATE TABLE stream_resources (
    account_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    uri           TEXT NOT NULL, -- "/Users/5f0c9a"
    resource_id   TEXT NOT NULL,
    PRIMARY KEY (account_id, connection_id, uri)
);
CREATE INDEX stream_resources_id ON stream_resources (account_id, connection_id, resource_id);

-- By what else a provider may name a session.
ALTER TABLE sessions ADD COLUMN token_id TEXT NOT NULL DEFAULT ''; -- jti of the ID token, or the assertion's ID
ALTER TABLE sessions ADD COLUMN device TEXT NOT NULL DEFAULT '';
CREATE INDEX sessions_token ON sessions (token_id) WHERE token_id <> '';
CREATE INDEX sessions_device ON sessions (device) WHERE device <> '';
CREATE INDEX sessions_provider_session ON sessions (provider_session) WHERE provider_session <> '';
CREATE INDEX sessions_by_id ON sessions (id);

ALTER TABLE flows ADD COLUMN forced BOOLEAN NOT NULL DEFAULT FALSE; -- the provider is asked for credentials anew

-- The newest thing that a provider said about whether somebody may be here, by its own time, and who said it.
ALTER TABLE tenancies ADD COLUMN lifecycle_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tenancies ADD COLUMN lifecycle_by TEXT NOT NULL DEFAULT '';
ALTER TABLE tenancies ADD COLUMN purged_at BIGINT NOT NULL DEFAULT 0; -- the provider has deleted them; no event brings them back
ALTER TABLE tenancies ADD COLUMN reauth_at BIGINT NOT NULL DEFAULT 0; -- the provider has to ask for their credentials anew; 0: it need not
ALTER TABLE tenancies ADD COLUMN assurance TEXT NOT NULL DEFAULT ''; -- the level that the provider last reported
