package table

// Step runs a part of the transaction, which is undone alone when it fails: its error is the caller's to live with. do may run more than
// once.
func (tx *Tx) Step(do func(*Tx) error) error { return tx.step(do) }
