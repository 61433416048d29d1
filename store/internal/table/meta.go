package table

// Meta reads a value of the installation.
func (tx *Tx) Meta(name string) (string, bool, error) {
	return one(tx, scanText, `SELECT value FROM meta WHERE name = $1`, name)
}

// PutMeta writes a value of the installation.
func (tx *Tx) PutMeta(name, value string) error {
	_, err := tx.exec(`
		INSERT INTO meta (name, value) VALUES ($1, $2)
		    ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	return err
}

func scanText(s scanner) (v string, err error) { return v, s.Scan(&v) }
