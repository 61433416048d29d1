package store

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store/internal/table"
)

// An eventKind is what a type of event asks for.
type eventKind struct {
	ofStream bool // it is about the stream itself, and needs no subject
	anybody  bool // do decides what it means that nobody is found
	wide     bool // it may be about more than one person, where the stream may
	shutsOut bool // it must not be lost when it overtakes the provisioning
	do       func(*turn) error
}

// A turn is one event about to take effect.
type turn struct {
	*reception
	row  *account.Event
	body map[string]any
	kind eventKind
	whom whom
	late bool // it waited for somebody who was not here when it came
}

const (
	caep  = "https://schemas.openid.net/secevent/caep/event-type/"
	risc  = "https://schemas.openid.net/secevent/risc/event-type/"
	ssf   = "https://schemas.openid.net/secevent/ssf/event-type/"
	oauth = "https://schemas.openid.net/secevent/oauth/event-type/"
	okta  = "https://schemas.okta.com/secevent/okta/event-type/"
	prov  = "urn:ietf:params:scim:event:prov:"
	feed  = "urn:ietf:params:scim:event:feed:"
)

// eventKinds are the events that are known here: CAEP 1.0 §3, RISC 1.0 §2, SSF 1.0 §8.1.4 and §8.1.5, RFC 9967 §2, Google's and Okta's own.
// None gives anybody more than they had before an event took it (SET-6).
var eventKinds = map[string]eventKind{
	caep + "session-revoked":          {do: (*turn).endSessions, wide: true},
	caep + "token-claims-change":      {do: (*turn).changeClaims},
	caep + "credential-change":        {do: (*turn).changeCredential},
	caep + "assurance-level-change":   {do: (*turn).changeAssurance},
	caep + "device-compliance-change": {do: (*turn).changeCompliance},
	caep + "session-established":      {do: (*turn).established},
	caep + "session-presented":        {do: (*turn).established},
	caep + "risk-level-change":        {do: (*turn).changeRisk, wide: true},
	okta + "user-risk-change":         {do: (*turn).oktaRisk},
	okta + "device-risk-change":       {do: (*turn).oktaRisk},

	risc + "account-disabled":                   {do: (*turn).disable, shutsOut: true},
	risc + "account-enabled":                    {do: (*turn).enable},
	risc + "account-purged":                     {do: (*turn).purge, shutsOut: true},
	risc + "account-credential-change-required": {do: (*turn).askAnew},
	risc + "credential-compromise":              {do: (*turn).compromised},
	risc + "identifier-changed":                 {do: (*turn).changeIdentifier},
	risc + "identifier-recycled":                {do: (*turn).recycleIdentifier},
	risc + "sessions-revoked":                   {do: (*turn).endSessions},
	risc + "recovery-activated":                 {do: (*turn).record},
	risc + "recovery-information-changed":       {do: (*turn).record},
	risc + "opt-in":                             {do: (*turn).record},
	risc + "opt-out-initiated":                  {do: (*turn).record},
	risc + "opt-out-cancelled":                  {do: (*turn).record},
	risc + "opt-out-effective":                  {do: (*turn).record},

	oauth + "tokens-revoked": {do: (*turn).endSessions},
	oauth + "token-revoked":  {do: (*turn).revokeToken, anybody: true},

	ssf + "verification":    {do: (*turn).verify, ofStream: true},
	risc + "verification":   {do: (*turn).verify, ofStream: true}, // Google, before SSF 1.0
	ssf + "stream-updated":  {do: (*turn).streamUpdated, ofStream: true},
	caep + "stream-updated": {do: (*turn).streamUpdated, ofStream: true}, // an early library

	prov + "activate":                           {do: (*turn).scimActivate},
	prov + "deactivate":                         {do: (*turn).scimDeactivate, shutsOut: true},
	prov + "delete":                             {do: (*turn).scimDelete, shutsOut: true},
	prov + "create:full":                        {do: (*turn).scimPut, anybody: true},
	prov + "put:full":                           {do: (*turn).scimPut, anybody: true},
	prov + "patch:full":                         {do: (*turn).scimPatch},
	prov + "create:notice":                      {do: (*turn).scimNotice, anybody: true},
	prov + "put:notice":                         {do: (*turn).scimNotice, anybody: true},
	prov + "patch:notice":                       {do: (*turn).scimNotice, anybody: true},
	feed + "add":                                {do: (*turn).record, anybody: true}, // what is of interest to the feed, and no provisioning
	feed + "remove":                             {do: (*turn).record, anybody: true},
	"urn:ietf:params:scim:event:misc:asyncresp": {do: (*turn).record, anybody: true},
}

// text is a member of the event; empty when it is none or no string.
func (t *turn) text(name string) string {
	s, _ := t.body[name].(string)
	return s
}

// record keeps the event in the log and does nothing else.
func (t *turn) record() error { return nil }

// established remembers on which device a session is, when it says so (CAEP 1.0 §3.6, §3.7): a later event may be about the device.
func (t *turn) established() error {
	device, session := t.row.Subject.Members["device"].Values["id"], t.row.Subject.Members["session"]
	if device == "" || session.Format == "" || len(t.whom.sessions) != 1 || len(device) > longestName {
		return nil
	}
	return t.SetDevice(t.whom.sessions[0].ID, device)
}

// longestName bounds what a provider calls a session or a device, which an index holds.
const longestName = 512

func (t *turn) did(format string, args ...any) {
	t.row.Outcome = account.EventApplied
	t.say(format, args...)
}

func (t *turn) say(format string, args ...any) {
	if t.row.Detail != "" {
		t.row.Detail += " "
	}
	t.row.Detail += fmt.Sprintf(format, args...)
}

// sessionSkew is how far the provider's clock may be behind ours: a session that began so shortly after an event counts as older.
const sessionSkew = time.Minute

// endSessions ends the sessions that are meant and began before the event: those named, or else all of the person in this account, or of
// everybody meant.
func (t *turn) endSessions() error {
	_, err := t.endMeant()
	return err
}

// endMeant is endSessions, and says how many ended.
func (t *turn) endMeant() (int, error) {
	meant, err := t.meantSessions()
	if err != nil {
		return 0, err
	}
	limit := t.row.At.Add(sessionSkew)
	byUser := map[account.UserID][]account.SessionID{}
	if t.whom.user != "" {
		byUser[t.whom.user] = nil // whose keys may follow, also without a session
	}
	for _, s := range meant {
		if !s.CreatedAt.After(limit) {
			byUser[s.User] = append(byUser[s.User], s.ID)
		}
	}
	total := 0
	for _, u := range sortedUsers(byUser) {
		n, err := t.endOf(u, byUser[u])
		if err != nil {
			return total, err
		}
		total += n
	}
	return total, nil
}

func sortedUsers(m map[account.UserID][]account.SessionID) []account.UserID {
	var out []account.UserID
	for u := range m {
		out = append(out, u)
	}
	slices.Sort(out)
	return out
}

func (t *turn) meantSessions() ([]table.NamedSession, error) {
	a := t.Account.ID
	switch w := t.whom; {
	case w.wide != "" && w.group == "":
		return t.SessionsOfAccount(a)
	case w.wide != "":
		people, err := t.peopleOfGroup(w.group)
		var out []table.NamedSession
		for _, u := range people {
			more, e := t.SessionsIn(a, u)
			if e != nil {
				return nil, e
			}
			out = append(out, more...)
		}
		return out, err
	case len(w.sessions) > 0:
		return w.sessions, nil
	default:
		return t.SessionsIn(a, w.user)
	}
}

// peopleOfGroup are the people in a pushed group, by its id, its name here, or what the transmitter calls it.
func (t *turn) peopleOfGroup(group string) ([]account.UserID, error) {
	w, err := t.byResource(map[string]string{"uri": "/Groups/" + strings.TrimPrefix(group, "/Groups/"), "externalId": group})
	if err != nil {
		return nil, err
	}
	if w.resource.ID == "" && t.stream.Connection != "" {
		id, found, err := t.PushedNamed(t.Account.ID, t.stream.Connection, "Group", group)
		if err != nil || !found {
			return nil, err
		}
		w.resource.Account, w.resource.Connection, w.resource.ID = t.Account.ID, t.stream.Connection, id
	}
	if w.resource.ID == "" {
		t.say("The group is not known here.")
		return nil, nil
	}
	members, err := t.MemberIDs(w.resource)
	if err != nil {
		return nil, err
	}
	return t.PeopleOf(t.Account.ID, t.stream.Connection, members)
}

// endOf ends sessions of one person, with their keys where the stream has it so and all of them are meant, and leaves a receipt.
func (t *turn) endOf(u account.UserID, ids []account.SessionID) (int, error) {
	user, found, err := t.User(u)
	if err != nil || !found {
		return 0, err
	}
	receipt := t.receiptFor(user, removal{User: u, Source: account.FromEvent, Why: shortType(t.row.Type), Txn: t.row.Txn})
	if len(ids) > 0 {
		n, err := t.EndSessionsByID(ids)
		if err != nil {
			return 0, err
		}
		receipt.Sessions = int(n)
		t.shutSessions(u, ids)
	}
	if t.stream.KeysFollowSessions && !t.whom.partial {
		n, err := t.RevokeKeys(t.Account.ID, u, receipt.Why, t.now)
		if err != nil {
			return 0, err
		}
		receipt.Keys = int(n)
		t.Shut(table.OfUser(u))
	}
	if receipt.Sessions > 0 {
		if err := t.announceSessions(u, ids, !t.whom.partial, receipt); err != nil {
			return 0, err
		}
	}
	return receipt.Sessions, t.finish(receipt)
}

// shutSessions says what no replica may remember: a few sessions one by one, else all of the person, else all of the account.
func (t *turn) shutSessions(u account.UserID, ids []account.SessionID) {
	switch {
	case t.Said() >= manyPeople:
		t.Shut(table.OfAccount(t.Account.ID))
	case len(ids) > 3:
		t.Shut(table.OfUser(u))
	default:
		for _, id := range ids {
			t.Shut(table.OfSession(id))
		}
	}
}

// finish hands a receipt out and counts what it says, if it says anything.
func (t *turn) finish(r account.Receipt) error {
	if r.Sessions == 0 && r.Keys == 0 {
		return nil
	}
	t.row.Sessions += r.Sessions
	t.row.Keys += r.Keys
	t.did("%s: %d sessions ended, %d keys revoked.", r.Email, r.Sessions, r.Keys)
	return t.handOut(r)
}

// shortType is the name of a type of event without what all share.
func shortType(uri string) string {
	if rest, is := strings.CutPrefix(uri, "urn:ietf:params:scim:event:"); is {
		return "scim " + rest
	}
	return uri[strings.LastIndexByte(uri, '/')+1:]
}

// askAnew ends sessions, and has the provider ask for the person's credentials at the next sign-in.
func (t *turn) askAnew() error {
	if _, err := t.endMeant(); err != nil || t.whom.user == "" {
		return err
	}
	t.did("The provider asks for their credentials at the next sign-in.")
	return t.AskReauth(t.Account.ID, t.whom.user, t.now)
}

// changeCredential ends sessions when a credential was taken or changed (CAEP 1.0 §3.3). What is missing is read as a change.
func (t *turn) changeCredential() error {
	if t.text("change_type") == "create" {
		return nil
	}
	return t.endSessions()
}

// compromised ends sessions, has the provider ask anew, and marks or revokes the keys that may have been made with the stolen credential.
func (t *turn) compromised() error {
	if err := t.askAnew(); err != nil {
		return err
	}
	a, u := t.Account.ID, t.whom.user
	if u == "" {
		return nil
	}
	if t.stream.CompromisedKeys == account.CompromiseRevoke {
		return t.revokeRecentKeys(u)
	}
	n, err := t.FlagKeys(a, u, t.now.Add(-compromiseReach), t.now)
	if n > 0 {
		t.did("%d keys are marked for an administrator to look at.", n)
	}
	return err
}

// compromiseReach is how far back keys may have been made with a stolen credential.
const compromiseReach = 30 * 24 * time.Hour

func (t *turn) revokeRecentKeys(u account.UserID) error {
	user, found, err := t.User(u)
	if err != nil || !found {
		return err
	}
	n, err := t.RevokeKeysSince(t.Account.ID, u, t.now.Add(-compromiseReach), "credential-compromise", t.now)
	if err != nil {
		return err
	}
	r := t.receiptFor(user, removal{User: u, Source: account.FromEvent, Why: shortType(t.row.Type), Txn: t.row.Txn})
	r.Keys = int(n)
	t.Shut(table.OfUser(u))
	return t.finish(r)
}

// changeAssurance remembers the level (CAEP 1.0 §3.4). No session may do more by it.
func (t *turn) changeAssurance() error {
	if t.whom.user == "" {
		return nil
	}
	level := cleanText(t.text("current_level"), 200)
	t.did("The level is %s.", level)
	t.Shut(table.OfUser(t.whom.user))
	return t.SetAssurance(t.Account.ID, t.whom.user, level)
}

// changeCompliance ends the sessions on a device that no longer is compliant (CAEP 1.0 §3.5).
func (t *turn) changeCompliance() error {
	if !strings.EqualFold(t.text("current_status"), "not-compliant") {
		return nil
	}
	return t.endSessions()
}

// changeRisk ends sessions at high risk (CAEP 1.0 §3.8).
func (t *turn) changeRisk() error {
	if !strings.EqualFold(t.text("current_level"), "HIGH") {
		return nil
	}
	switch p := strings.ToUpper(t.text("principal")); {
	case t.whom.wide != "":
		return t.endSessions()
	case p == "" || p == "USER":
		return t.askAnew()
	case p == "SESSION" || p == "DEVICE":
		return t.endSessions()
	}
	t.say("The risk is not that of a person, a session or a device.")
	return nil
}

func (t *turn) oktaRisk() error {
	if !strings.EqualFold(t.text("current_level"), "HIGH") {
		return nil
	}
	return t.endSessions()
}

// revokeToken: no refresh token of a provider is ever kept here.
func (t *turn) revokeToken() error {
	t.say("No token of the provider is kept here.")
	return nil
}

// verify takes a verification event (SSF 1.0 §8.1.4): with the state that we asked for, or of the transmitter's own accord.
func (t *turn) verify() error {
	a, id := t.Account.ID, t.stream.ID
	status, found, err := t.StreamStatus(a, id)
	if err != nil || !found {
		return err
	}
	state, given := t.body["state"].(string)
	pending := status.Pending != "" && t.now.Sub(status.PendingSince) < pendingFor
	switch {
	case given && pending && state != status.Pending:
		return account.Errorf(account.Invalid, "The state is not the one that was asked for.").Coded(CodeInvalidState)
	case given && pending:
		t.did("The verification that was asked for came back.")
		return t.Verified(a, id, t.now)
	}
	return t.Checked(a, id, t.now)
}

// streamUpdated remembers what the transmitter says about the stream (SSF 1.0 §8.1.5).
func (t *turn) streamUpdated() error {
	if !slices.Contains([]string{"enabled", "paused", "disabled"}, t.text("status")) {
		return nil
	}
	t.did("The transmitter says that the stream is %s.", t.text("status"))
	return t.StreamSays(t.Account.ID, t.stream.ID, t.text("status"), cleanText(t.text("reason"), 300), t.row.At)
}
