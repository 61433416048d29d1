package table

import (
	"encoding/json"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

// ShareUser lets sign-ins of a person go on side by side, but not while somebody locks one of these accounts or changes the person's state:
// see ShareHouse. Accounts come first, as everywhere.
func (tx *Tx) ShareUser(u account.UserID, in []account.AccountID) error {
	if tx.db.Dialect == SQLite {
		return nil
	}
	for _, a := range in {
		if _, err := tx.exec(`SELECT 1 FROM accounts WHERE id = $1 FOR SHARE`, a); err != nil {
			return err
		}
	}
	_, err := tx.exec(`SELECT 1 FROM users WHERE id = $1 FOR SHARE`, u)
	return err
}

// ShareAccount is ShareHouse for an account.
func (tx *Tx) ShareAccount(a account.AccountID) error {
	if tx.db.Dialect == SQLite {
		return nil
	}
	_, err := tx.exec(`SELECT 1 FROM accounts WHERE id = $1 FOR SHARE`, a)
	return err
}

// EndLocalSessionsOf ends the sessions of everybody but one in a domain who signed in by themselves, and says whose they were.
func (tx *Tx) EndLocalSessionsOf(domain string, but account.UserID) ([]account.UserID, error) {
	return list(tx, func(s scanner) (u account.UserID, err error) { return u, s.Scan(&u) }, `
		DELETE FROM sessions
		 WHERE connection_id = '' AND method IN ('password', 'passkey') AND user_id <> $2
		   AND EXISTS (SELECT 1 FROM users u WHERE u.id = sessions.user_id AND substr(u.email, length(u.email) - length(CAST($1 AS TEXT))) = '@' || CAST($1 AS TEXT))
		RETURNING user_id`, domain, but)
}

// EndSessionsBut ends all sessions of a person but the one of a digest (nil: none is left out), and says in which accounts they worked, once
// for each session.
func (tx *Tx) EndSessionsBut(u account.UserID, digest []byte) ([]account.AccountID, error) {
	if digest == nil {
		digest = []byte{}
	}
	return list(tx, func(s scanner) (a account.AccountID, err error) { return a, s.Scan(&a) }, `
		DELETE FROM sessions WHERE user_id = $1 AND digest <> $2 RETURNING account_id`, u, digest)
}

// An Identity of somebody who signs in here by themselves is a LocalIdentity; what a connection knows of them is an Identity.
type LocalIdentity struct {
	User      account.UserID
	State     account.UserState
	Password  string // PHC string
	ChangedAt time.Time
	CreatedAt time.Time
	News      bool
	Welcomed  time.Time
}

const localColumns = `i.user_id, u.state, i.password, i.changed_at, i.created_at, i.news, i.welcomed_at`

func scanLocal(s scanner) (i LocalIdentity, err error) {
	var changed, made, welcomed int64
	err = s.Scan(&i.User, &i.State, &i.Password, &changed, &made, &i.News, &welcomed)
	i.ChangedAt, i.CreatedAt, i.Welcomed = instant(changed), instant(made), instant(welcomed)
	return i, err
}

// LocalIdentity reads a person's.
func (tx *Tx) LocalIdentity(u account.UserID) (LocalIdentity, bool, error) {
	return one(tx, scanLocal, `SELECT `+localColumns+` FROM identities i JOIN users u ON u.id = i.user_id WHERE i.user_id = $1`, u)
}

// LocalIdentityByEmail reads that of whoever has an address.
func (tx *Tx) LocalIdentityByEmail(email string) (LocalIdentity, bool, error) {
	return one(tx, scanLocal, `SELECT `+localColumns+` FROM identities i JOIN users u ON u.id = i.user_id WHERE u.email = $1`, email)
}

// InsertLocalIdentity writes a new one; it is false when the person has one already.
func (tx *Tx) InsertLocalIdentity(u account.UserID, password string, at time.Time) (bool, error) {
	n, err := tx.exec(`
		INSERT INTO identities (user_id, password, changed_at, created_at) VALUES ($1, $2, $3, $3)
		    ON CONFLICT (user_id) DO NOTHING`, u, password, micros(at))
	return n > 0, err
}

// SetPassword replaces a password.
func (tx *Tx) SetPassword(u account.UserID, password string, at time.Time) (bool, error) {
	n, err := tx.exec(`UPDATE identities SET password = $2, changed_at = $3 WHERE user_id = $1`, u, password, micros(at))
	return n > 0, err
}

// Rehash replaces the hash of the same password; nothing happens when it is another one by now.
func (tx *Tx) Rehash(u account.UserID, old, hash string) error {
	_, err := tx.exec(`UPDATE identities SET password = $3 WHERE user_id = $1 AND password = $2`, u, old, hash)
	return err
}

// Welcome notes what somebody wants to hear of.
func (tx *Tx) Welcome(u account.UserID, news bool, at time.Time) error {
	_, err := tx.exec(`UPDATE identities SET news = $2, welcomed_at = $3 WHERE user_id = $1`, u, news, micros(at))
	return err
}

// DropLocal takes away a person's password and everything of theirs that is under way with it.
func (tx *Tx) DropLocal(u account.UserID) error {
	if _, err := tx.exec(`DELETE FROM identities WHERE user_id = $1`, u); err != nil {
		return err
	}
	return tx.DropUnderWay(u)
}

// DropUnderWay ends what a person has under way: half sign-ins, sign-ups that wait for their first tab, links to a new password.
func (tx *Tx) DropUnderWay(u account.UserID) error {
	for _, q := range []string{`DELETE FROM pending_signins WHERE user_id = $1`, `DELETE FROM pending_signups WHERE user_id = $1`,
		`DELETE FROM password_resets WHERE user_id = $1 AND link_state = 'pending'`} {
		if _, err := tx.exec(q, u); err != nil {
			return err
		}
	}
	return nil
}

// A SignUp is a row: somebody who signs up and has not verified their address, or has and is awaited by their first tab (User).
type SignUp struct {
	Browser   []byte // digest of its cookie
	Link      []byte // digest of the token in the letter
	Code      []byte // digest over cookie and code; empty: none is right
	Email     string
	Password  string
	Terms     []account.Acceptance
	Next      string
	Tries     int
	Letters   int
	User      account.UserID
	CreatedAt time.Time
	ExpiresAt time.Time
}

const signUpColumns = `browser_digest, link_digest, code_digest, email, password, terms, next, tries, letters, user_id, created_at, expires_at`

func scanSignUp(s scanner) (p SignUp, err error) {
	var terms string
	var made, expires int64
	if err = s.Scan(&p.Browser, &p.Link, &p.Code, &p.Email, &p.Password, &terms, &p.Next, &p.Tries, &p.Letters, &p.User, &made, &expires); err != nil {
		return p, err
	}
	p.CreatedAt, p.ExpiresAt = instant(made), instant(expires)
	return p, json.Unmarshal([]byte(terms), &p.Terms)
}

// InsertSignUp writes a new one.
func (tx *Tx) InsertSignUp(p SignUp) error {
	terms, err := json.Marshal(p.Terms)
	if err != nil {
		return err
	}
	if p.Terms == nil {
		terms = []byte("[]")
	}
	_, err = tx.exec(`
		INSERT INTO pending_signups (browser_digest, link_digest, code_digest, email, password, terms, next, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
		p.Browser, p.Link, orNothing(p.Code), p.Email, p.Password, string(terms), p.Next, micros(p.CreatedAt), micros(p.ExpiresAt))
	return err
}

func orNothing(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// SignUp reads the one of a browser that has not run out.
func (tx *Tx) SignUp(browser []byte, at time.Time) (SignUp, bool, error) {
	return one(tx, scanSignUp, `SELECT `+signUpColumns+` FROM pending_signups WHERE browser_digest = $1 AND expires_at > $2`, browser, micros(at))
}

// SignUpByLink reads the one of a letter that has not run out.
func (tx *Tx) SignUpByLink(link []byte, at time.Time) (SignUp, bool, error) {
	return one(tx, scanSignUp, `SELECT `+signUpColumns+` FROM pending_signups WHERE link_digest = $1 AND expires_at > $2`, link, micros(at))
}

// TrySignUp counts a code before it is looked at; it is false when no more may be tried.
func (tx *Tx) TrySignUp(browser []byte, most int) (bool, error) {
	n, err := tx.exec(`UPDATE pending_signups SET tries = tries + 1 WHERE browser_digest = $1 AND tries < $2 AND user_id = ''`, browser, most)
	return n > 0, err
}

// RenewSignUp gives one another code and link. It is false when it was renewed most times already, or is verified.
func (tx *Tx) RenewSignUp(p SignUp, most int) (bool, error) {
	n, err := tx.exec(`
		UPDATE pending_signups SET link_digest = $2, code_digest = $3, expires_at = $4, tries = 0, letters = letters + 1
		 WHERE browser_digest = $1 AND letters < $5 AND user_id = ''`, p.Browser, p.Link, orNothing(p.Code), micros(p.ExpiresAt), most)
	return n > 0, err
}

// VerifySignUp notes who has come of one, until when the first tab may take it up. Of two that verify the same one only the first is told true.
func (tx *Tx) VerifySignUp(browser []byte, u account.UserID, until time.Time) (bool, error) {
	n, err := tx.exec(`UPDATE pending_signups SET user_id = $2, expires_at = $3 WHERE browser_digest = $1 AND user_id = ''`, browser, u, micros(until))
	return n > 0, err
}

// TakeSignUp uses one up; of several takers one is told true.
func (tx *Tx) TakeSignUp(browser []byte) (bool, error) {
	n, err := tx.exec(`DELETE FROM pending_signups WHERE browser_digest = $1`, browser)
	return n > 0, err
}

// A HalfSignIn is a row: somebody who has given the right password and owes a second factor.
type HalfSignIn struct {
	Browser   []byte // digest of its cookie
	User      account.UserID
	Method    account.Method
	Next      string
	Tries     int
	CreatedAt time.Time
	ExpiresAt time.Time
}

// InsertHalfSignIn writes a new one.
func (tx *Tx) InsertHalfSignIn(p HalfSignIn) error {
	_, err := tx.exec(`
		INSERT INTO pending_signins (browser_digest, user_id, method, next, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)`,
		p.Browser, p.User, p.Method, p.Next, micros(p.CreatedAt), micros(p.ExpiresAt))
	return err
}

// HalfSignIn reads the one of a browser that has not run out.
func (tx *Tx) HalfSignIn(browser []byte, at time.Time) (HalfSignIn, bool, error) {
	return one(tx, func(s scanner) (p HalfSignIn, err error) {
		var made, expires int64
		err = s.Scan(&p.Browser, &p.User, &p.Method, &p.Next, &p.Tries, &made, &expires)
		p.CreatedAt, p.ExpiresAt = instant(made), instant(expires)
		return p, err
	}, `SELECT browser_digest, user_id, method, next, tries, created_at, expires_at FROM pending_signins WHERE browser_digest = $1 AND expires_at > $2`, browser, micros(at))
}

// TryHalfSignIn counts a factor before it is looked at; it is false when no more may be tried.
func (tx *Tx) TryHalfSignIn(browser []byte, most int) (bool, error) {
	n, err := tx.exec(`UPDATE pending_signins SET tries = tries + 1 WHERE browser_digest = $1 AND tries < $2`, browser, most)
	return n > 0, err
}

// TakeHalfSignIn uses one up; of several takers one is told true.
func (tx *Tx) TakeHalfSignIn(browser []byte) (bool, error) {
	n, err := tx.exec(`DELETE FROM pending_signins WHERE browser_digest = $1`, browser)
	return n > 0, err
}

// InsertReset writes a link to a new password.
func (tx *Tx) InsertReset(u account.UserID, k Link) error {
	_, err := tx.exec(`INSERT INTO password_resets (user_id, `+linkColumns+`) VALUES ($1, $2, $3, $4, $5)`, k.values(u)...)
	return err
}

// Reset reads the link of a digest, used or run out too, and whose it is.
func (tx *Tx) Reset(digest []byte) (k Link, u account.UserID, found bool, err error) {
	k, found, err = one(tx, func(s scanner) (k Link, err error) { return k, linkInto(s, &k, &u) }, `
		SELECT user_id, `+linkColumns+` FROM password_resets WHERE link_digest = $1`, digest)
	return k, u, found, err
}

// UseReset uses a link up, and takes back all others of the person.
func (tx *Tx) UseReset(u account.UserID, digest []byte) (bool, error) {
	n, err := tx.exec(`UPDATE password_resets SET link_state = $3 WHERE user_id = $1 AND link_digest = $2 AND link_state = $4`, u, digest, account.LinkAccepted, account.LinkPending)
	if err != nil || n == 0 {
		return false, err
	}
	_, err = tx.exec(`UPDATE password_resets SET link_state = $2 WHERE user_id = $1 AND link_state = $3`, u, account.LinkRevoked, account.LinkPending)
	return true, err
}

// An Accepted is a version of a document that somebody agreed to.
type Accepted struct {
	account.Acceptance
	At time.Time
}

// Accepted lists what somebody agreed to, the last first.
func (tx *Tx) Accepted(u account.UserID) ([]Accepted, error) {
	return list(tx, func(s scanner) (a Accepted, err error) {
		var at int64
		err = s.Scan(&a.Document, &a.Version, &at)
		a.At = instant(at)
		return a, err
	}, `SELECT document, version, accepted_at FROM terms_acceptances WHERE user_id = $1 ORDER BY accepted_at DESC, document`, u)
}

// Accept notes that somebody agreed to a version; the first time counts.
func (tx *Tx) Accept(u account.UserID, a account.Acceptance, at time.Time) (bool, error) {
	n, err := tx.exec(`
		INSERT INTO terms_acceptances (user_id, document, version, accepted_at) VALUES ($1, $2, $3, $4)
		    ON CONFLICT (user_id, document, version) DO NOTHING`, u, a.Document, a.Version, micros(at))
	return n > 0, err
}

// Attempt pours n into a bucket that empties by one each interval and holds burst; the last pouring may overflow it. It is false when the bucket
// is full, and nothing is poured.
func (tx *Tx) Attempt(what, whom string, every time.Duration, burst, n int, at time.Time) (bool, error) {
	more := every * time.Duration(n)
	poured, err := tx.exec(`
		INSERT INTO attempts (what, whom, drained_at) VALUES ($1, $2, $5)
		    ON CONFLICT (what, whom) DO UPDATE SET drained_at = CASE WHEN attempts.drained_at > $3 THEN attempts.drained_at + $4 ELSE $5 END
		 WHERE attempts.drained_at <= $6`, what, whom, micros(at), more.Microseconds(), micros(at.Add(more)), micros(at.Add(every*time.Duration(burst-1))))
	return poured > 0, err
}

// Unpour takes some out of a bucket again, as what would have emptied in that time.
func (tx *Tx) Unpour(what, whom string, less time.Duration) error {
	_, err := tx.exec(`UPDATE attempts SET drained_at = drained_at - $3 WHERE what = $1 AND whom = $2`, what, whom, less.Microseconds())
	return err
}

// Forgive empties a bucket.
func (tx *Tx) Forgive(what, whom string) error {
	_, err := tx.exec(`DELETE FROM attempts WHERE what = $1 AND whom = $2`, what, whom)
	return err
}

// PurgeIdentities removes what has run out of sign-ups, half sign-ins, links and buckets.
func (tx *Tx) PurgeIdentities(at, linksBefore time.Time, n int) (int64, error) {
	var most int64
	for q, until := range map[string]time.Time{
		`DELETE FROM pending_signups WHERE browser_digest IN (SELECT browser_digest FROM pending_signups WHERE expires_at <= $1 LIMIT $2)`: at,
		`DELETE FROM pending_signins WHERE browser_digest IN (SELECT browser_digest FROM pending_signins WHERE expires_at <= $1 LIMIT $2)`: at,
		`DELETE FROM password_resets WHERE link_digest IN (SELECT link_digest FROM password_resets WHERE link_until <= $1 LIMIT $2)`:       linksBefore,
		`DELETE FROM attempts WHERE (what, whom) IN (SELECT what, whom FROM attempts WHERE drained_at <= $1 LIMIT $2)`:                     at,
	} {
		gone, err := tx.exec(q, micros(until), n)
		if err != nil {
			return most, err
		}
		most = max(most, gone)
	}
	return most, nil
}
