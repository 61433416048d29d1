-- +goose Up
-- Lines of the audit log are sealed in blocks, each of which goes on from the one before (package audit).
ALTER TABLE audit ADD COLUMN block BIGINT NOT NULL DEFAULT 0; -- 0: not sealed yet
CREATE INDEX audit_open ON audit (account_id, id) WHERE block = 0;
CREATE INDEX audit_block ON audit (account_id, block, id);

CREATE TABLE audit_seals (
    account_id TEXT NOT NULL,
    block      BIGINT NOT NULL,
    lines      BIGINT NOT NULL,
    hash       BYTEA NOT NULL,
    sealed_at  BIGINT NOT NULL,
    signature  BYTEA NOT NULL,
    PRIMARY KEY (account_id, block)
);
