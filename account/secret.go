package account

import "log/slog"

// A Secret is a value that only its owner and the far side ever see: a client secret, a private
// key, a cookie token. It prints as dots everywhere; Reveal is the one door out.
type Secret struct{ raw string }

// NewSecret wraps a raw value.
func NewSecret(raw string) Secret { return Secret{raw} }

func (Secret) String() string               { return "••••" }
func (Secret) GoString() string             { return "••••" }
func (Secret) LogValue() slog.Value         { return slog.StringValue("••••") }
func (Secret) MarshalText() ([]byte, error) { return []byte("••••"), nil }

// Reveal returns the raw value; every call is a place to look.
func (s Secret) Reveal() string { return s.raw }

// IsZero reports whether there is no secret.
func (s Secret) IsZero() bool { return s.raw == "" }
