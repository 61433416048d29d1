// Package account holds the words of the house: who people are, where they belong, what they hold,
// and how they came in. Every other room speaks in these types. The package does no I/O, knows no
// HTTP and no SQL, and reads no clock: time and randomness are handed in.
package account
