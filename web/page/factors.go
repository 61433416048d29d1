package page

import (
	"fmt"
	"strings"

	"github.com/boombuler/barcode/qr"

	"github.com/drawbridge-id/drawbridge/account"
)

// SecondFactor asks for it after the password (H-08).
type SecondFactor struct {
	Email  string
	Errors FieldErrors
}

func (SecondFactor) frame() frame { return frame{Title: "Second factor"} }

// Security shows what somebody signs in with beside their password, and lets them change it.
type Security struct {
	Who     Who
	Factors []account.Factor
	Codes   int // recovery codes that are left
	Errors  FieldErrors
}

func (p Security) frame() frame { return frame{Title: "Security settings", Who: &p.Who} }

// EnrolFactor shows the secret of an app, once, and asks for its first code.
type EnrolFactor struct {
	Who    Who
	ID     account.FactorID
	Secret string // in groups of four; empty: it was shown before
	URI    string // otpauth://…
	Errors FieldErrors
}

func (p EnrolFactor) frame() frame { return frame{Title: "Set up an app", Who: &p.Who} }

// RecoveryCodes shows them, once.
type RecoveryCodes struct {
	Who   Who
	Codes []string
}

func (p RecoveryCodes) frame() frame { return frame{Title: "Recovery codes", Who: &p.Who} }

// QR is the picture of URI: its edge in dots, quiet zone included (ISO/IEC 18004 section 6.3.8), and the dark ones as an SVG path.
func (p EnrolFactor) QR() (code struct {
	Size int
	Path string
}, err error) {
	picture, err := qr.Encode(p.URI, qr.M, qr.Auto)
	if err != nil {
		return code, err
	}
	const quiet = 4
	edge := picture.Bounds().Dx()
	var path strings.Builder
	for y := range edge {
		for x := range edge {
			if dark, _, _, _ := picture.At(x, y).RGBA(); dark == 0 {
				fmt.Fprintf(&path, "M%d %dh1v1h-1z", x+quiet, y+quiet)
			}
		}
	}
	code.Size, code.Path = edge+2*quiet, path.String()
	return code, nil
}
