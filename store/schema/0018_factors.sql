-- +goose Up
-- What people show beside their password. The secret of an app is sealed, in secrets.
CREATE TABLE factors (
    user_id      TEXT NOT NULL,
    id           TEXT NOT NULL,
    kind         TEXT NOT NULL,
    name         TEXT NOT NULL,
    confirmed    BOOLEAN NOT NULL DEFAULT FALSE,
    last_counter BIGINT NOT NULL DEFAULT 0, -- of an app: no code of this time step or an earlier one works again
    created_at   BIGINT NOT NULL,
    used_at      BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (user_id, id)
);

-- For whoever has lost their second factor; each works once.
CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL,
    digest  BYTEA NOT NULL,
    PRIMARY KEY (user_id, digest)
);
