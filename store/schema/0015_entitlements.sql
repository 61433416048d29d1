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
    source         TEXT NOT NULL, -- invitation, certificate, registration, codes, operator
    entitlement_id TEXT NOT NULL DEFAULT '',
    activated_by   TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (account_id, id)
);
CREATE INDEX subscriptions_until ON subscriptions (until_at) WHERE state = 'active' AND until_at > 0;
