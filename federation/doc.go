// Package federation is the sign-in door. A browser comes in with an address, or with what an identity
// provider sent along; it leaves for the provider, with a session, or with a refusal that its
// administrator can read. The login test goes the same way and creates nothing.
//
// What a response means is judged by the protocol rooms (saml, oidc); what it leads to is the ledger's.
// This room carries one to the other and talks to the browser.
package federation
