-- +goose Up
-- Members that a group names and that are nobody of the connection yet: they join it once they are pushed.
CREATE TABLE scim_pending (
    account_id    TEXT NOT NULL,
    connection_id TEXT NOT NULL,
    group_id      TEXT NOT NULL,
    member_id     TEXT NOT NULL, -- as the provider wrote it
    member_key    BYTEA NOT NULL, -- folded, as a userName is compared
    since         BIGINT NOT NULL,
    PRIMARY KEY (account_id, connection_id, group_id, member_id)
);
CREATE INDEX scim_pending_member ON scim_pending (account_id, connection_id, member_id);
CREATE INDEX scim_pending_key ON scim_pending (account_id, connection_id, member_key);

-- Why provisioning and sign-in do not meet in a pushed user, in words; '' while they do.
ALTER TABLE scim_resources ADD COLUMN unmet TEXT NOT NULL DEFAULT '';
CREATE INDEX scim_resources_unmet ON scim_resources (account_id, connection_id, id) WHERE unmet <> '';

-- OAuth clients that fetch their tokens: secrets as digests, and whose a token is; '' : minted by hand.
CREATE TABLE scim_clients (
    account_id    TEXT NOT NULL,
    id            TEXT NOT NULL UNIQUE,
    connection_id TEXT NOT NULL,
    digest        BYTEA NOT NULL, -- SHA-256 of the secret
    last4         TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    created_by    TEXT NOT NULL,
    expires_at    BIGINT NOT NULL,
    used_at       BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (account_id, connection_id, id)
);
ALTER TABLE scim_tokens ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
CREATE INDEX scim_tokens_client ON scim_tokens (account_id, connection_id, client_id, id);

-- Schemas of a connection's own, as JSON; '' : none.
ALTER TABLE scim_options ADD COLUMN schemas TEXT NOT NULL DEFAULT '';

ALTER TABLE scim_requests ADD COLUMN dialect TEXT NOT NULL DEFAULT ''; -- whose habits it has
ALTER TABLE scim_requests ADD COLUMN lacks TEXT NOT NULL DEFAULT ''; -- what was sent and is not kept, in words
