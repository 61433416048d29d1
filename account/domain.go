package account

import (
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// A Domain is an e-mail domain that an account claims. It belongs to one account at a time, and
// only a proved one lets a connection speak for its addresses.
type Domain struct {
	ID         DomainID
	Account    AccountID
	Name       string       // lower-case A-label form
	Connection ConnectionID // which connection signs its people in; empty: none yet
	Token      string       // 128 random bits; expected in the TXT record at ChallengeName
	State      DomainState
	CutOver    bool // K-21: its people are sent to the identity provider; before that the native way works (K-19)
	ProvedAt   time.Time
	ProvedBy   string // "dns" or the operator who vouched for it
	CheckedAt  time.Time
	LastAnswer string // what DNS said at the last check, for people
}

// DomainState is whether a domain's ownership has been shown.
type DomainState string

// The states of a domain.
const (
	DomainPending DomainState = "pending" // claimed, not shown yet
	DomainProved  DomainState = "proved"
	DomainFailing DomainState = "failing" // was proved, the record is gone: warned, still counts until suspended
	DomainLost    DomainState = "lost"    // the record stayed away: no longer counts
)

// Counts reports whether addresses of the domain are accepted from its connection.
func (d Domain) Counts() bool { return d.State == DomainProved || d.State == DomainFailing }

// ChallengeName is where the TXT record is expected.
func (d Domain) ChallengeName() string { return "_drawbridge-challenge." + d.Name }

// ChallengeValue is what the TXT record has to say.
func (d Domain) ChallengeValue() string { return "drawbridge-domain-verification=" + d.Token }

// publicMail are mail providers that anybody can have an address at; such a domain speaks for no company (K-02).
var publicMail = strings.Fields(`gmail.com googlemail.com outlook.com hotmail.com live.com msn.com yahoo.com ymail.com
	icloud.com me.com mac.com aol.com gmx.com gmx.net gmx.de web.de mail.com mail.ru yandex.ru yandex.com proton.me
	protonmail.com pm.me tutanota.com tuta.com fastmail.com zoho.com qq.com 163.com 126.com sina.com naver.com
	hey.com t-online.de orange.fr free.fr laposte.net libero.it wp.pl o2.pl seznam.cz comcast.net verizon.net att.net`)

// NormalDomain brings a domain name into lower-case A-label form and refuses what cannot belong to
// one company: IP addresses, single labels, public suffixes, public mail domains.
func NormalDomain(name string) (string, error) {
	ascii, err := idna.Lookup.ToASCII(strings.TrimSuffix(strings.TrimSpace(name), "."))
	refuse := func(format string, args ...any) (string, error) {
		return "", Errorf(Invalid, format, args...).At("/domain").Because(err)
	}
	if err != nil || !strings.Contains(ascii, ".") || len(ascii) > 253 {
		return refuse("Expected a domain name such as acme.example, received %q.", clip(name, 80))
	}
	if _, ipErr := netip.ParseAddr(ascii); ipErr == nil {
		return refuse("Expected a domain name such as acme.example, received the address %s.", ascii)
	}
	for _, p := range publicMail {
		if ascii == p {
			return refuse("%s is a public mail domain: anybody can have an address there, so no company can claim it.", ascii)
		}
	}
	if suffix, icann := publicsuffix.PublicSuffix(ascii); suffix == ascii && (icann || strings.Contains(suffix, ".")) {
		return refuse("%s is a public suffix: claim a domain below it.", ascii)
	}
	return ascii, nil
}
