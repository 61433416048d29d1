-- +goose Up
-- What identity providers push. A connection's people and groups are its own; who they are here is in user_id.

CREATE TABLE scim_tokens (
    account_id    TEXT NOT NULL,
    id            TEXT NOT NULL UNIQUE,
    connection_id TEXT NOT NULL,
    digest        BYTEA NOT NULL UNIQUE, -- SHA-256 of the token
    last4         TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    created_by    TEXT NOT NULL,
    expires_at    BIGINT NOT NULL,
    used_at       BIGINT NOT NULL DEFAULT 0, -- renewed at most once a minute
    PRIMARY KEY (account_id, connection_id, id)
);

CREATE TABLE scim_options (
    account_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL UNIQUE,
    subject       TEXT NOT NULL, -- which attribute is the subject that a sign-in brings
    groups        TEXT NOT NULL, -- what pushed groups count for: merge, replace, ignore
    pushed_at     BIGINT NOT NULL DEFAULT 0, -- when a group was first pushed
    PRIMARY KEY (account_id, connection_id)
);

CREATE TABLE scim_resources (
    account_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    kind          TEXT NOT NULL, -- User, Group
    id            TEXT NOT NULL,
    name_key      BYTEA NOT NULL, -- userName or displayName as it is compared
    external_key  BYTEA NOT NULL, -- externalId; empty when there is none
    meets         TEXT NOT NULL DEFAULT '', -- the subject, or the group value, that a sign-in brings for it
    user_id       TEXT NOT NULL DEFAULT '', -- of a User: who it is here
    document      TEXT NOT NULL, -- directory.Document as JSON
    title         TEXT NOT NULL, -- what people call it
    version       BIGINT NOT NULL,
    created_at    BIGINT NOT NULL,
    modified_at   BIGINT NOT NULL,
    PRIMARY KEY (account_id, connection_id, id)
);
CREATE UNIQUE INDEX scim_resources_name ON scim_resources (account_id, connection_id, kind, name_key);
CREATE INDEX scim_resources_external ON scim_resources (account_id, connection_id, external_key);
CREATE INDEX scim_resources_meets ON scim_resources (account_id, connection_id, kind, meets);
CREATE INDEX scim_resources_user ON scim_resources (account_id, user_id);
CREATE INDEX scim_resources_list ON scim_resources (account_id, connection_id, kind, id);
CREATE INDEX scim_resources_modified ON scim_resources (account_id, connection_id, kind, modified_at);

-- Every simple value of a document, for searching and sorting: folded unless case-exact, compared by bytes.
CREATE TABLE scim_values (
    account_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    resource_id   TEXT NOT NULL,
    pos           BIGINT NOT NULL,
    path          TEXT NOT NULL, -- emails.value, urn:…:User:department
    element       BIGINT NOT NULL, -- which value of a multi-valued attribute
    prime         BIGINT NOT NULL, -- 1: of the primary one
    head          BYTEA NOT NULL, -- the first bytes of value, which an index can hold
    value         BYTEA NOT NULL,
    PRIMARY KEY (account_id, connection_id, resource_id, pos)
);
CREATE INDEX scim_values_head ON scim_values (account_id, connection_id, path, head);

CREATE TABLE scim_members (
    account_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    group_id      TEXT NOT NULL,
    member_id     TEXT NOT NULL,
    kind          TEXT NOT NULL, -- User, Group
    PRIMARY KEY (account_id, connection_id, group_id, member_id)
);
CREATE INDEX scim_members_member ON scim_members (account_id, connection_id, member_id);

CREATE TABLE scim_requests (
    account_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    id            TEXT NOT NULL, -- sorts by time
    at            BIGINT NOT NULL,
    method        TEXT NOT NULL,
    path          TEXT NOT NULL,
    status        BIGINT NOT NULL,
    scim_type     TEXT NOT NULL DEFAULT '',
    detail        TEXT NOT NULL DEFAULT '',
    changed       TEXT NOT NULL DEFAULT '', -- in words
    body          TEXT NOT NULL DEFAULT '', -- without passwords
    agent         TEXT NOT NULL DEFAULT '',
    token_id      TEXT NOT NULL DEFAULT '',
    micros        BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, connection_id, id)
);
CREATE INDEX scim_requests_at ON scim_requests (at);

-- Who shut somebody out, so that the same one, and nobody else unasked, lets them in again. '' : somebody by hand.
ALTER TABLE tenancies ADD COLUMN suspended_by TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN disabled_by TEXT NOT NULL DEFAULT '';
