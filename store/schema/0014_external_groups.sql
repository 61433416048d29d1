-- +goose Up
-- People from elsewhere, in groups of an org. They have a place in the group, and none in the account.

CREATE TABLE external_groups (
    account_id  TEXT NOT NULL,
    id          TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    description TEXT NOT NULL DEFAULT '',
    connections TEXT NOT NULL DEFAULT '[]', -- JSON: ids of those through which its people sign in, of any account; none: any
    created_at  BIGINT NOT NULL,
    created_by  TEXT NOT NULL,
    PRIMARY KEY (account_id, id),
    UNIQUE (account_id, name)
);

-- What every member of a group holds. Roles are worked out from this and external_members when they are asked for.
CREATE TABLE external_permissions (
    account_id TEXT NOT NULL,
    group_id   TEXT NOT NULL,
    team_id    TEXT NOT NULL DEFAULT '', -- '': the whole org
    role       TEXT NOT NULL,
    added_by   TEXT NOT NULL,
    added_at   BIGINT NOT NULL,
    PRIMARY KEY (account_id, group_id, team_id, role)
);

CREATE TABLE external_members (
    account_id TEXT NOT NULL,
    group_id   TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    role       TEXT NOT NULL, -- admin, operator, member
    since      BIGINT NOT NULL,
    invited_by TEXT NOT NULL,
    PRIMARY KEY (account_id, group_id, user_id)
);
CREATE INDEX external_members_user ON external_members (user_id, account_id);

CREATE TABLE external_invitations (
    account_id    TEXT NOT NULL,
    id            TEXT NOT NULL UNIQUE,
    group_id      TEXT NOT NULL,
    email         TEXT NOT NULL,
    role          TEXT NOT NULL,
    subject       TEXT NOT NULL,
    message       TEXT NOT NULL,
    service_url   TEXT NOT NULL DEFAULT '',
    invited_by    TEXT NOT NULL,
    at            BIGINT NOT NULL,
    user_id       TEXT NOT NULL DEFAULT '', -- who accepted it
    link_digest   BYTEA NOT NULL UNIQUE,    -- SHA-256 of the token in the letter that was sent last
    link_state    TEXT NOT NULL,
    link_validity BIGINT NOT NULL,
    link_until    BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX external_invitations_pending ON external_invitations (account_id, group_id, email) WHERE link_state = 'pending';
CREATE INDEX external_invitations_email ON external_invitations (email) WHERE link_state = 'pending';

-- The account on whose behalf somebody uses an org that they are external to; '' : the key is for an org of their own.
ALTER TABLE personal_keys ADD COLUMN home_account_id TEXT NOT NULL DEFAULT '';
CREATE INDEX personal_keys_home ON personal_keys (home_account_id, user_id) WHERE home_account_id <> '';
