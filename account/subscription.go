package account

import (
	"slices"
	"time"
)

// A Subscription is what an org may use of a product, from when until when.
type Subscription struct {
	ID          SubscriptionID
	Account     AccountID
	Product     string   // id in the catalogue
	Label       string   // what the product was called then
	Services    []string // ids of the services that it carried then
	State       SubscriptionState
	From        time.Time
	Until       time.Time // zero: no end
	Quantity    int       // how many codes it came from; otherwise 1
	Source      EntitlementSource
	Entitlement EntitlementID // that it came from; empty: from none
	By          string        // who activated it, as Actor.String says
}

// SubscriptionState says whether a subscription counts.
type SubscriptionState string

// The states of a subscription.
const (
	SubscriptionActive  SubscriptionState = "active"
	SubscriptionExpired SubscriptionState = "expired"
)

// EntitlementSource is by which way a product came to an org (G-01, B-02). A free registration brings an org with the services of every new
// one, and no subscription.
type EntitlementSource string

// The ways.
const (
	FromPlatform    EntitlementSource = "invitation"  // the operator approved a person for a product
	FromCertificate EntitlementSource = "certificate" // of a purchase
	FromCodes       EntitlementSource = "codes"       // activation codes or serial numbers that came with hardware
	FromOperator    EntitlementSource = "operator"    // the operator put it on an org directly
)

// Live reports whether the subscription counts at an instant, whether or not a job has noticed its end.
func (s Subscription) Live(at time.Time) bool {
	return s.State == SubscriptionActive && !at.Before(s.From) && (s.Until.IsZero() || at.Before(s.Until))
}

// Carries reports whether it is for a service; "" is any.
func (s Subscription) Carries(service string) bool {
	return service == "" || slices.Contains(s.Services, service)
}

// A Denied role is one that somebody holds, and that gives them nothing at the moment.
type Denied struct {
	Held
	Why *Error // code subscription_required or service_not_enabled
}
