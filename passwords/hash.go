package passwords

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost is what one argon2id hash takes (RFC 9106 §3.1).
type Cost struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
}

// Usual is the second of the settings that OWASP recommends: 19 MiB, two passes, one thread.
var Usual = Cost{Memory: 19 << 10, Passes: 2, Threads: 1}

const (
	// A hash is asked for no more than this, whatever a row says: who can write the database should not be able to stop the house.
	mostMemory, mostPasses = 4 << 20, 64
)

// How many random bytes Hash takes as its salt, and how many it gives.
const (
	SaltLength = 16
	SumLength  = 32
)

// Hash gives the PHC string of a normal password: $argon2id$v=19$m=…,t=…,p=…$salt$hash.
func (c Cost) Hash(password string, salt []byte) string {
	sum := argon2.IDKey([]byte(password), salt, c.Passes, c.Memory, c.Threads, SumLength)
	return c.spell(salt, sum)
}

// Nobodys is the PHC string of no password at all: checking one against it takes as long as against that of somebody.
func (c Cost) Nobodys(salt, sum []byte) string { return c.spell(salt, sum) }

func (c Cost) spell(salt, sum []byte) string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, c.Memory, c.Passes, c.Threads,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum))
}

// Check reports whether a normal password is the one that was hashed, and what that hash cost. It works as long whatever it is given.
func Check(phc, password string) (bool, Cost, error) {
	c, salt, sum, err := parse(phc)
	if err != nil {
		return false, c, err
	}
	got := argon2.IDKey([]byte(password), salt, c.Passes, c.Memory, c.Threads, uint32(len(sum)))
	return subtle.ConstantTimeCompare(got, sum) == 1, c, nil
}

var errNotPHC = errors.New("passwords: not an argon2id PHC string")

func parse(phc string) (c Cost, salt, sum []byte, err error) {
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return c, nil, nil, errNotPHC
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &c.Memory, &c.Passes, &c.Threads); err != nil {
		return c, nil, nil, errNotPHC
	}
	if parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", c.Memory, c.Passes, c.Threads) || c.Memory < 1 || c.Memory > mostMemory || c.Passes < 1 || c.Passes > mostPasses || c.Threads < 1 {
		return c, nil, nil, errNotPHC
	}
	salt, errSalt := base64.RawStdEncoding.DecodeString(parts[4])
	sum, errSum := base64.RawStdEncoding.DecodeString(parts[5])
	if errSalt != nil || errSum != nil || len(salt) < 8 || len(sum) < 16 || len(sum) > 64 {
		return c, nil, nil, errNotPHC
	}
	return c, salt, sum, nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
