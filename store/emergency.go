package store

import (
	"slices"
	"strings"

	"github.com/drawbridge-id/drawbridge/account"
)

// emergencyNouns are what emergency access may change, by the first word of a verb: what stands between an org and its identity provider.
var emergencyNouns = []string{"connection", "metadata", "sp_key", "domain", "rule", "rules", "scim", "stream", "drift", "recovery", "ticket", "role"}

// emergencyVerbs are single verbs beside; no page is served before the terms are agreed to.
var emergencyVerbs = []string{"group.added", "group.removed", "terms.accepted"}

// inEmergency says whether verb is among what emergency access is for. It is asked of every change, so that what is thought of later is
// refused until somebody decides otherwise.
func inEmergency(by account.Actor, verb string) error {
	noun, _, _ := strings.Cut(verb, ".")
	if !by.BreakGlass || slices.Contains(emergencyNouns, noun) || slices.Contains(emergencyVerbs, verb) {
		return nil
	}
	return account.Errorf(account.Forbidden, "Emergency access is for repairing sign-in, and for nothing else.").Coded("emergency_access").
		Fix("Repair the connection, sign in as usual, and do it then.")
}
