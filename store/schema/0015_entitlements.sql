-- +goose Up
-- services are what was enabled by hand, subscribed what active subscriptions carry; an org has both.
ALTER TABLE orgs ADD COLUMN subscribed TEXT NOT NULL DEFAULT '[]';

-- What an org may use of a product, from when until when.
CREATE TABLE subscriptions (
    account_id     TEXT NOT NULL,
    id             TEXT NOT NULL, -- sorts by time
    product        TEXT NOT NULL, -- id in the catalogue
    label          TEXT NOT NULL, -- as it was called then: a product may leave the catalogue
    services       TEXT NOT NULL DEFAULT '[]', -- what it carried then
    state          TEXT NOT NULL, -- active, expired
    from_at        BIGINT NOT NULL,
    until_at       BIGINT NOT NULL DEFAULT 0, -- 0: no end
    quantity       BIGINT NOT NULL DEFAULT 1, -- codes that it came from
    source         TEXT NOT NULL, -- invitation, certificate, registration, codes, operator
    entitlement_id TEXT NOT NULL DEFAULT '',
    activated_by   TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (account_id, id)
);
CREATE INDEX subscriptions_until ON subscriptions (until_at) WHERE state = 'active' AND until_at > 0;

-- Somebody's right to activate a product once. It belongs to no account before that.
CREATE TABLE entitlements (
    id            TEXT PRIMARY KEY, -- sorts by time
    source        TEXT NOT NULL, -- invitation, certificate
    product       TEXT NOT NULL,
    label         TEXT NOT NULL,
    term          BIGINT NOT NULL DEFAULT 0, -- of the subscription, in microseconds; 0: no end
    email         TEXT NOT NULL, -- whom it was sent to; an invitation is theirs alone
    holder        TEXT NOT NULL DEFAULT '', -- whom a certificate names
    tail          TEXT NOT NULL DEFAULT '', -- the end of its number, for people who compare
    note          TEXT NOT NULL DEFAULT '',
    previous      TEXT NOT NULL DEFAULT '', -- the one that was transferred
    account_id    TEXT NOT NULL DEFAULT '', -- where it was activated, or is to be after a transfer
    created_at    BIGINT NOT NULL,
    created_by    TEXT NOT NULL,
    ended_at      BIGINT NOT NULL DEFAULT 0,
    ended_by      TEXT NOT NULL DEFAULT '',
    link_digest   BYTEA NOT NULL UNIQUE, -- of the link's token; of a certificate's number
    link_state    TEXT NOT NULL, -- pending, accepted, revoked, transferred
    link_validity BIGINT NOT NULL,
    link_until    BIGINT NOT NULL
);
CREATE INDEX entitlements_email ON entitlements (email);

-- What people said about themselves or their company when they registered what came with no link.
CREATE TABLE registrations (
    account_id      TEXT NOT NULL,
    subscription_id TEXT NOT NULL,
    details         TEXT NOT NULL, -- account.Registration or account.Business as JSON
    registered_by   TEXT NOT NULL,
    at              BIGINT NOT NULL,
    PRIMARY KEY (account_id, subscription_id)
);

-- Codes and serial numbers that come with hardware. Each is good once.
CREATE TABLE activation_codes (
    digest          BYTEA PRIMARY KEY, -- SHA-256 of its plain spelling
    tail            TEXT NOT NULL,
    product         TEXT NOT NULL,
    label           TEXT NOT NULL,
    term            BIGINT NOT NULL DEFAULT 0,
    batch           TEXT NOT NULL,
    created_at      BIGINT NOT NULL,
    account_id      TEXT NOT NULL DEFAULT '', -- where it was used; '' : it was not
    subscription_id TEXT NOT NULL DEFAULT '',
    used_at         BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX activation_codes_batch ON activation_codes (batch);
