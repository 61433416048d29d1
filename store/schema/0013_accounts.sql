-- +goose Up
-- What the people of an account say about it, and who opened it by themselves.
CREATE TABLE account_profiles (
    account_id  TEXT PRIMARY KEY,
    description TEXT NOT NULL DEFAULT '',
    company     TEXT NOT NULL DEFAULT '', -- account.Company as JSON; '' : nothing was said
    billing     TEXT NOT NULL DEFAULT '', -- account.Billing as JSON; '' : nothing was said
    opened_by   TEXT NOT NULL DEFAULT '', -- user; '' : nobody of its people made it
    opened_at   BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX account_profiles_opened ON account_profiles (opened_by, opened_at) WHERE opened_by <> '';
CREATE INDEX role_sources_team ON role_sources (account_id, team_id) WHERE team_id <> '';
