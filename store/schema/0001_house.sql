-- +goose Up
-- One text for SQLite and PostgreSQL. Instants are integer microseconds since 1970 UTC, lists and documents
-- are JSON text, digests are SHA-256. Every key begins with its tenant; users are the one global noun.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE accounts (
    id         TEXT PRIMARY KEY,
    number     TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL UNIQUE,
    edition    BIGINT NOT NULL DEFAULT 0, -- raised by verbs that enforce a limit, so that two of them wait for each other
    created_at BIGINT NOT NULL
);

CREATE TABLE orgs (
    account_id TEXT NOT NULL REFERENCES accounts (id),
    id         TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL UNIQUE,
    title      TEXT NOT NULL DEFAULT '',
    type       TEXT NOT NULL,
    services   TEXT NOT NULL DEFAULT '[]',
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account_id) -- one to one
);

CREATE TABLE teams (
    account_id  TEXT NOT NULL,
    id          TEXT NOT NULL,
    org_id      TEXT NOT NULL,
    name        TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    created_at  BIGINT NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, org_id, name)
);

CREATE TABLE users (
    id         TEXT PRIMARY KEY,
    email      TEXT NOT NULL UNIQUE,
    name       TEXT NOT NULL DEFAULT '',
    state      TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE tenancies (
    account_id TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    status     TEXT NOT NULL,
    since      BIGINT NOT NULL,
    PRIMARY KEY (account_id, user_id)
);
CREATE INDEX tenancies_user ON tenancies (user_id);

-- A role is held while at least one source remains. org_id '' is the account itself, team_id '' the whole org.
CREATE TABLE role_sources (
    account_id    TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    org_id        TEXT NOT NULL,
    team_id       TEXT NOT NULL,
    role          TEXT NOT NULL,
    kind          TEXT NOT NULL,
    rule_id       TEXT NOT NULL DEFAULT '',
    group_value   TEXT NOT NULL DEFAULT '',
    connection_id TEXT NOT NULL DEFAULT '',
    granted_by    TEXT NOT NULL DEFAULT '',
    granted_at    BIGINT NOT NULL,
    PRIMARY KEY (account_id, user_id, org_id, team_id, role, kind, rule_id, group_value, connection_id)
);
CREATE INDEX role_sources_role ON role_sources (account_id, org_id, role);

CREATE TABLE connections (
    account_id     TEXT NOT NULL,
    id             TEXT NOT NULL UNIQUE,
    name           TEXT NOT NULL,
    enabled        BOOLEAN NOT NULL,
    live           TEXT NOT NULL DEFAULT '', -- Settings as JSON; '' when there is none
    draft          TEXT NOT NULL DEFAULT '',
    live_revision  BIGINT NOT NULL DEFAULT 0,
    draft_edition  TEXT NOT NULL DEFAULT '', -- random, new at each change of the draft or its secrets
    passed_edition TEXT NOT NULL DEFAULT '', -- of the draft that a login test passed (K-14, K-23)
    passed_test    TEXT NOT NULL DEFAULT '',
    groups_seen_at BIGINT NOT NULL DEFAULT 0,
    created_at     BIGINT NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, name)
);

CREATE TABLE connection_history (
    account_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    revision      BIGINT NOT NULL,
    settings      TEXT NOT NULL,
    replaced_at   BIGINT NOT NULL,
    replaced_by   TEXT NOT NULL,
    PRIMARY KEY (account_id, connection_id, revision)
);

-- What must be used and not only compared: sealed under a key that is not in this database.
-- The associated data of each is account_id, owner and name, so that rows cannot be swapped.
CREATE TABLE secrets (
    account_id TEXT NOT NULL,
    owner      TEXT NOT NULL, -- connection id
    name       TEXT NOT NULL, -- live/client_secret, draft/okta_token, history/3/client_secret, sp_key/<id>, …
    sealed     BYTEA NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, owner, name)
);

CREATE TABLE sp_keys (
    account_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    id            TEXT NOT NULL,
    certificate   TEXT NOT NULL,
    active        BOOLEAN NOT NULL,
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (account_id, connection_id, id)
);

CREATE TABLE metadata_refreshes (
    account_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    hash          TEXT NOT NULL DEFAULT '', -- of the document last read
    checked_at    BIGINT NOT NULL,
    outcome       TEXT NOT NULL, -- unchanged, updated, waiting, failed
    note          TEXT NOT NULL DEFAULT '',
    proposed      TEXT NOT NULL DEFAULT '', -- Settings waiting for approval
    PRIMARY KEY (account_id, connection_id)
);

CREATE TABLE domains (
    account_id    TEXT NOT NULL,
    id            TEXT NOT NULL UNIQUE,
    name          TEXT NOT NULL,
    connection_id TEXT NOT NULL DEFAULT '',
    token         TEXT NOT NULL,
    state         TEXT NOT NULL,
    cut_over      BOOLEAN NOT NULL DEFAULT FALSE,
    proved_at     BIGINT NOT NULL DEFAULT 0,
    proved_by     TEXT NOT NULL DEFAULT '',
    checked_at    BIGINT NOT NULL DEFAULT 0,
    failing_since BIGINT NOT NULL DEFAULT 0,
    last_answer   TEXT NOT NULL DEFAULT '',
    created_at    BIGINT NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, name)
);
-- Anybody may claim; only one account can hold. So nobody blocks a domain by claiming it.
CREATE UNIQUE INDEX domains_held ON domains (name) WHERE state IN ('proved', 'failing');
CREATE INDEX domains_name ON domains (name);

CREATE TABLE idp_groups (
    account_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    value         TEXT NOT NULL,
    alias         TEXT NOT NULL DEFAULT '',
    account_role  TEXT NOT NULL DEFAULT '', -- '' : only seen, not added as a tenant
    first_seen    BIGINT NOT NULL DEFAULT 0,
    last_seen     BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, connection_id, value)
);

CREATE TABLE login_identities (
    account_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    subject       TEXT NOT NULL,
    user_id       TEXT NOT NULL,
    first_login   BIGINT NOT NULL,
    last_login    BIGINT NOT NULL,
    groups_state  TEXT NOT NULL DEFAULT '', -- '' : never seen
    groups        TEXT NOT NULL DEFAULT '[]',
    groups_why    TEXT NOT NULL DEFAULT '',
    groups_source TEXT NOT NULL DEFAULT '',
    groups_at     BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, connection_id, subject)
);
CREATE INDEX login_identities_user ON login_identities (account_id, user_id);

CREATE TABLE rules (
    account_id TEXT NOT NULL,
    id         TEXT NOT NULL,
    draft      TEXT NOT NULL DEFAULT '', -- rules.Definition as JSON; '' : goes away at the next activation
    active     TEXT NOT NULL DEFAULT '', -- '' : never activated
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
);

CREATE TABLE rule_sets (
    account_id   TEXT PRIMARY KEY,
    revision     BIGINT NOT NULL, -- of the active rules; compiled indexes are cached by it
    activated_at BIGINT NOT NULL DEFAULT 0,
    activated_by TEXT NOT NULL DEFAULT '',
    cursor_user  TEXT NOT NULL DEFAULT '', -- where a running activation has got to
    running      BOOLEAN NOT NULL DEFAULT FALSE
);

CREATE TABLE flows (
    account_id     TEXT NOT NULL,
    id             TEXT NOT NULL,
    connection_id  TEXT NOT NULL,
    which          TEXT NOT NULL,
    handle_digest  BYTEA NOT NULL UNIQUE,
    browser_digest BYTEA NOT NULL,
    request_id     TEXT NOT NULL DEFAULT '',
    nonce          TEXT NOT NULL DEFAULT '',
    verifier       BYTEA, -- sealed
    issuer         TEXT NOT NULL DEFAULT '',
    next           TEXT NOT NULL DEFAULT '',
    login_hint     TEXT NOT NULL DEFAULT '',
    test           BOOLEAN NOT NULL DEFAULT FALSE,
    test_by        TEXT NOT NULL DEFAULT '',
    diagnosis_id   TEXT NOT NULL DEFAULT '',
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE INDEX flows_request ON flows (connection_id, request_id) WHERE request_id <> ''; -- SAML only
CREATE INDEX flows_expiry ON flows (expires_at);

CREATE TABLE replays (
    account_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    message       TEXT NOT NULL, -- assertion id, token digest, jti
    until         BIGINT NOT NULL,
    PRIMARY KEY (account_id, connection_id, message)
);
CREATE INDEX replays_until ON replays (until);

CREATE TABLE sessions (
    account_id       TEXT NOT NULL, -- the account worked in; changes with the chooser
    id               TEXT NOT NULL, -- for people and logs; nothing is found by it
    digest           BYTEA NOT NULL, -- SHA-256 of the cookie's token
    user_id          TEXT NOT NULL,
    connection_id    TEXT NOT NULL,
    subject          TEXT NOT NULL DEFAULT '',
    provider_session TEXT NOT NULL DEFAULT '',
    name_id          TEXT NOT NULL DEFAULT '', -- account.NameID as JSON, for single logout
    id_token         BYTEA, -- sealed, for RP-initiated logout
    created_at       BIGINT NOT NULL,
    seen_at          BIGINT NOT NULL,
    idle_until       BIGINT NOT NULL,
    expires_at       BIGINT NOT NULL,
    PRIMARY KEY (digest)
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_provider ON sessions (connection_id, subject);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE diagnoses (
    account_id    TEXT NOT NULL,
    id            TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    which         TEXT NOT NULL,
    test          BOOLEAN NOT NULL,
    asked_by      TEXT NOT NULL DEFAULT '',
    outcome       TEXT NOT NULL, -- pending, passed, refused
    step          TEXT NOT NULL DEFAULT '',
    code          TEXT NOT NULL DEFAULT '',
    email         TEXT NOT NULL DEFAULT '',
    edition       TEXT NOT NULL DEFAULT '', -- of the draft that a login test was started for
    result        TEXT NOT NULL DEFAULT '', -- account.Diagnosis as JSON
    at            BIGINT NOT NULL,
    PRIMARY KEY (id) -- people quote it; it sorts by time, which is how old ones are found
);
CREATE INDEX diagnoses_list ON diagnoses (account_id, connection_id, id);

CREATE TABLE audit (
    account_id    TEXT NOT NULL,
    id            TEXT NOT NULL, -- sorts by time
    at            BIGINT NOT NULL,
    actor         TEXT NOT NULL,
    verb          TEXT NOT NULL,
    target        TEXT NOT NULL DEFAULT '',
    outcome       TEXT NOT NULL,
    reason        TEXT NOT NULL DEFAULT '',
    connection_id TEXT NOT NULL DEFAULT '',
    ip            TEXT NOT NULL DEFAULT '',
    request       TEXT NOT NULL DEFAULT '',
    detail        TEXT NOT NULL DEFAULT '{}',
    PRIMARY KEY (account_id, id)
);

-- Recurring work of the installation; on several replicas the one that holds the lease does it.
CREATE TABLE jobs (
    name        TEXT PRIMARY KEY,
    due_at      BIGINT NOT NULL,
    lease_until BIGINT NOT NULL DEFAULT 0,
    attempts    BIGINT NOT NULL DEFAULT 0,
    last_error  TEXT NOT NULL DEFAULT '',
    done_at     BIGINT NOT NULL DEFAULT 0
);
