package strict

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// RawURL is base64url without padding, as JOSE writes it (RFC 7515 §2).
var RawURL = base64.RawURLEncoding.Strict()

// JWSHeader reads the header of a compact JWS of three parts (RFC 7515 §7.1) and of at most limit bytes; the JSON
// forms are refused, and so is every spelling of base64url but one. depth is as for Object.
func JWSHeader(raw string, limit, depth int) (map[string]any, error) {
	switch {
	case len(raw) > limit:
		return nil, fmt.Errorf("%d bytes, more than %d", len(raw), limit)
	case strings.HasPrefix(strings.TrimSpace(raw), "{"):
		return nil, errors.New("a JWS in JSON form")
	case strings.Count(raw, ".") != 2:
		return nil, fmt.Errorf("%d parts", strings.Count(raw, ".")+1)
	}
	parts := strings.Split(raw, ".")
	if len(parts[0]) > 16<<10 {
		return nil, errors.New("a header of more than 16 kB")
	}
	var data []byte
	for i, part := range parts {
		// One spelling only, so that one token has one digest: Go's decoder skips line ends even when strict.
		decoded, err := RawURL.DecodeString(part)
		if err != nil || RawURL.EncodedLen(len(decoded)) != len(part) {
			return nil, errors.New("a part that is not base64url")
		}
		if i == 0 {
			data = decoded
		}
	}
	header, err := Object(data, depth)
	if err != nil {
		return nil, fmt.Errorf("a header that is no JSON object (%s)", Clip(err.Error(), 100))
	}
	return header, nil
}

// NumericDate reads a time in seconds (RFC 7519 §2). ok is false for anything but a number in a sensible
// range; texts that look like numbers are refused, which go-oidc lets pass.
func NumericDate(v any) (time.Time, bool) {
	n, isNumber := v.(json.Number)
	if !isNumber {
		return time.Time{}, false
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 253402300799 { // up to the year 9999
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0), true
}
