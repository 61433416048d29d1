-- +goose Up
-- Somebody who is asked into an account by mail. The address is proved by whoever accepts, so that nobody is a user before.
CREATE TABLE invitations (
    account_id    TEXT NOT NULL,
    id            TEXT NOT NULL,
    email         TEXT NOT NULL,
    role          TEXT NOT NULL, -- in the account
    roles         TEXT NOT NULL DEFAULT '[]', -- account.RoleAt as JSON
    message       TEXT NOT NULL DEFAULT '',
    invited_by    TEXT NOT NULL,
    inviter_id    TEXT NOT NULL DEFAULT '',
    created_at    BIGINT NOT NULL,
    sent_at       BIGINT NOT NULL,
    ended_at      BIGINT NOT NULL DEFAULT 0,
    user_id       TEXT NOT NULL DEFAULT '', -- who accepted
    asked_at      BIGINT NOT NULL DEFAULT 0,
    link_digest   BYTEA NOT NULL UNIQUE,
    link_state    TEXT NOT NULL,
    link_validity BIGINT NOT NULL,
    link_until    BIGINT NOT NULL,
    PRIMARY KEY (account_id, id)
);
CREATE UNIQUE INDEX invitations_pending ON invitations (account_id, email) WHERE link_state = 'pending';
CREATE INDEX invitations_addressee ON invitations (email) WHERE link_state = 'pending';
CREATE UNIQUE INDEX invitations_id ON invitations (id);

-- People are listed by name and found by a part of it, a million of them too: what that goes by stands in the one row that is read in
-- that order. It is kept by whatever changes a name or an address.
ALTER TABLE users ADD COLUMN sort_key TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN search TEXT NOT NULL DEFAULT '';
ALTER TABLE tenancies ADD COLUMN sort_key TEXT NOT NULL DEFAULT '';
ALTER TABLE tenancies ADD COLUMN search TEXT NOT NULL DEFAULT '';
UPDATE users SET sort_key = lower(substr(CASE WHEN name = '' THEN email ELSE name END, 1, 100)), search = lower(substr(name, 1, 100) || ' ' || email);
UPDATE tenancies SET sort_key = (SELECT u.sort_key FROM users u WHERE u.id = tenancies.user_id), search = (SELECT u.search FROM users u WHERE u.id = tenancies.user_id)
 WHERE EXISTS (SELECT 1 FROM users u WHERE u.id = tenancies.user_id);
CREATE INDEX tenancies_list ON tenancies (account_id, sort_key, user_id, search);

-- Whether members may come from domains that the account has not proved (T-01). Owners never do.
ALTER TABLE orgs ADD COLUMN members_verified_only BOOLEAN NOT NULL DEFAULT FALSE;
