package table

import (
	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/rules"
)

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

// DeleteTeam removes a team. What hangs on it has to be gone.
func (tx *Tx) DeleteTeam(a account.AccountID, id account.TeamID) error {
	_, err := tx.exec(`DELETE FROM teams WHERE account_id = $1 AND id = $2`, a, id)
	return err
}

// A Granted is one reason for which somebody holds a role.
type Granted struct {
	User account.UserID
	rules.Sourced
}

// DropTeamSources takes every reason away for which anybody holds a role in a team, and says which, by person.
func (tx *Tx) DropTeamSources(a account.AccountID, id account.TeamID) ([]Granted, error) {
	rows, err := list(tx, scanSource, `
		SELECT `+sourceColumns+` FROM role_sources WHERE account_id = $1 AND team_id = $2 AND team_id <> ''
		 ORDER BY user_id, role, kind, rule_id, group_value`, a, id)
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	gone := make([]Granted, len(rows))
	for i, r := range rows {
		gone[i] = Granted{r.user, r.Sourced}
	}
	_, err = tx.exec(`DELETE FROM role_sources WHERE account_id = $1 AND team_id = $2 AND team_id <> ''`, a, id)
	return gone, err
}

// TeamTenants pages through the people of an account who hold a role in a team, by user id.
func (tx *Tx) TeamTenants(a account.AccountID, team account.TeamID, after account.UserID, n int) ([]Tenant, error) {
	return list(tx, scanTenant(a), tenantQuery+`
	   AND EXISTS (SELECT 1 FROM role_sources r WHERE r.account_id = t.account_id AND r.user_id = t.user_id AND r.team_id = $2 AND r.team_id <> '')
	   AND t.user_id > $3 ORDER BY t.user_id LIMIT $4`, a, team, after, n)
}

// DropTeamPermissions takes away what external user groups give in a team, and counts it.
func (tx *Tx) DropTeamPermissions(a account.AccountID, id account.TeamID) (int, error) {
	n, err := tx.exec(`DELETE FROM external_permissions WHERE account_id = $1 AND team_id = $2 AND team_id <> ''`, a, id)
	return int(n), err
}
