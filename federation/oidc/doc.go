// Package oidc is the relying party: it sends people to an OpenID provider, judges what comes back,
// and says who they are in the words of package account. Settings and one callback go in, one
// account.Judgement comes out. It keeps discovery documents and keys in memory and nothing else.
//
// Clauses: docs/protocols/oidc.md. OC is OpenID Connect Core 1.0.
package oidc
