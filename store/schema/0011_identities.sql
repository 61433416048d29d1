-- +goose Up
-- People who sign in here by themselves, with a password, and not through a company's provider.
ALTER TABLE sessions ADD COLUMN method TEXT NOT NULL DEFAULT ''; -- password, passkey, recovery; '' : a connection's, or the first owner's link
ALTER TABLE sessions ADD COLUMN confirmed_at BIGINT NOT NULL DEFAULT 0; -- when they last proved again who they are

CREATE TABLE identities (
    user_id     TEXT PRIMARY KEY,
    password    TEXT NOT NULL, -- PHC string of its hash
    changed_at  BIGINT NOT NULL,
    created_at  BIGINT NOT NULL,
    news        BOOLEAN NOT NULL DEFAULT FALSE, -- wants mail about what is new here
    welcomed_at BIGINT NOT NULL DEFAULT 0 -- when they were asked; 0: not yet
);

-- Nothing of somebody who signs up exists before their address is verified, so that nobody blocks an address.
CREATE TABLE pending_signups (
    browser_digest BYTEA PRIMARY KEY, -- of the cookie of the browser that began it
    link_digest    BYTEA NOT NULL UNIQUE,
    code_digest    BYTEA NOT NULL, -- over the cookie and the code; empty: no code is right, the address has an identity already
    email          TEXT NOT NULL,
    password       TEXT NOT NULL, -- PHC string
    terms          TEXT NOT NULL DEFAULT '[]', -- versions accepted, as JSON
    next           TEXT NOT NULL DEFAULT '',
    tries          BIGINT NOT NULL DEFAULT 0, -- codes tried in vain
    letters        BIGINT NOT NULL DEFAULT 1,
    user_id        TEXT NOT NULL DEFAULT '', -- once verified
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL
);
CREATE INDEX pending_signups_expiry ON pending_signups (expires_at);
CREATE INDEX pending_signups_user ON pending_signups (user_id) WHERE user_id <> '';

-- Who has given the right password and owes a second factor.
CREATE TABLE pending_signins (
    browser_digest BYTEA PRIMARY KEY,
    user_id        TEXT NOT NULL,
    method         TEXT NOT NULL, -- what was proved so far
    next           TEXT NOT NULL DEFAULT '',
    tries          BIGINT NOT NULL DEFAULT 0,
    created_at     BIGINT NOT NULL,
    expires_at     BIGINT NOT NULL
);
CREATE INDEX pending_signins_user ON pending_signins (user_id);
CREATE INDEX pending_signins_expiry ON pending_signins (expires_at);

CREATE TABLE password_resets (
    user_id       TEXT NOT NULL,
    link_digest   BYTEA NOT NULL UNIQUE,
    link_state    TEXT NOT NULL,
    link_validity BIGINT NOT NULL,
    link_until    BIGINT NOT NULL,
    PRIMARY KEY (user_id, link_digest)
);
CREATE INDEX password_resets_until ON password_resets (link_until);

CREATE TABLE terms_acceptances (
    user_id     TEXT NOT NULL,
    document    TEXT NOT NULL,
    version     TEXT NOT NULL,
    accepted_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, document, version)
);

-- How often something was tried of late, by whom or for whom: a leaky bucket in one number, shared by all replicas.
CREATE TABLE attempts (
    what       TEXT NOT NULL,
    whom       TEXT NOT NULL, -- an address or a network, digested
    drained_at BIGINT NOT NULL, -- when the bucket is empty again
    PRIMARY KEY (what, whom)
);
CREATE INDEX attempts_drained ON attempts (drained_at);
