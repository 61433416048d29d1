package table

import "github.com/drawbridge-id/drawbridge/account"

func scanTeam(s scanner) (t account.Team, err error) {
	var made int64
	err = s.Scan(&t.ID, &t.Org, &t.Name, &t.Description, &made)
	t.CreatedAt = instant(made)
	return t, err
}

// Teams lists the teams of an account's org by name.
func (tx *Tx) Teams(a account.AccountID) ([]account.Team, error) {
	return list(tx, scanTeam, `
		SELECT id, org_id, name, description, created_at FROM teams WHERE account_id = $1 ORDER BY name`, a)
}

// Team reads one.
func (tx *Tx) Team(a account.AccountID, id account.TeamID) (account.Team, bool, error) {
	return one(tx, scanTeam, `
		SELECT id, org_id, name, description, created_at FROM teams WHERE account_id = $1 AND id = $2`, a, id)
}

// TeamNamed finds one by its name.
func (tx *Tx) TeamNamed(a account.AccountID, name string) (account.Team, bool, error) {
	return one(tx, scanTeam, `
		SELECT id, org_id, name, description, created_at FROM teams WHERE account_id = $1 AND name = $2`, a, name)
}

// InsertTeam writes a new team.
func (tx *Tx) InsertTeam(a account.AccountID, t account.Team) error {
	_, err := tx.exec(`
		INSERT INTO teams (account_id, id, org_id, name, description, created_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		a, t.ID, t.Org, t.Name, t.Description, micros(t.CreatedAt))
	return err
}

// SetTeamDescription changes what a team says about itself.
func (tx *Tx) SetTeamDescription(a account.AccountID, id account.TeamID, description string) error {
	_, err := tx.exec(`UPDATE teams SET description = $3 WHERE account_id = $1 AND id = $2`, a, id, description)
	return err
}
