package page

import (
	"math"
	"regexp"
	"strconv"
	"testing"
)

// palette reads the custom properties of the light theme and of the dark one, which starts from it.
func palette(t *testing.T) map[string]map[string]string {
	t.Helper()
	css := string(byName["style.css"].bytes)
	roots := regexp.MustCompile(`:root \{([^}]*)\}`).FindAllStringSubmatch(css, -1)
	if len(roots) != 2 {
		t.Fatalf("%d :root rules, expected light and dark", len(roots))
	}
	prop := regexp.MustCompile(`--([a-z-]+): (#[0-9a-f]{6});`)
	light, dark := map[string]string{}, map[string]string{}
	for _, m := range prop.FindAllStringSubmatch(roots[0][1], -1) {
		light[m[1]], dark[m[1]] = m[2], m[2]
	}
	for _, m := range prop.FindAllStringSubmatch(roots[1][1], -1) {
		dark[m[1]] = m[2]
	}
	return map[string]map[string]string{"light": light, "dark": dark}
}

// contrast is the ratio of WCAG 2.2, "contrast ratio".
func contrast(a, b string) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + .05) / (min(la, lb) + .05)
}

func luminance(hex string) (l float64) {
	for i, weight := range []float64{.2126, .7152, .0722} {
		n, _ := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		c := float64(n) / 255
		if c <= .04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+.055)/1.055, 2.4)
		}
		l += weight * c
	}
	return l
}

func TestContrastIsEnoughInBothThemes(t *testing.T) {
	pairs := []struct {
		over, under string
		least       float64
	}{
		{"ink", "paper", 7}, {"ink", "surface", 7}, {"ink", "sunk", 7}, {"ink", "accent-wash", 7}, {"ink", "fail-wash", 7},
		{"quiet", "paper", 4.5}, {"quiet", "surface", 4.5}, {"quiet", "sunk", 4.5}, {"quiet", "accent-wash", 4.5},
		{"accent", "paper", 4.5}, {"accent", "surface", 4.5}, {"accent-strong", "surface", 4.5}, {"accent", "accent-wash", 4.5},
		{"on-accent", "accent", 4.5}, {"on-accent", "accent-strong", 4.5},
		{"pass", "surface", 4.5}, {"warn", "surface", 4.5}, {"fail", "surface", 4.5}, {"fail", "fail-wash", 4.5},
		{"pass", "sunk", 4.5}, {"warn", "sunk", 4.5}, {"fail", "sunk", 4.5},
		{"on-verdict", "pass", 3}, {"on-verdict", "warn", 3}, {"on-verdict", "fail", 3},
		{"edge", "surface", 3}, {"edge", "paper", 3}, {"edge", "sunk", 3}, {"focus", "paper", 3}, {"focus", "surface", 3},
	}
	for theme, colour := range palette(t) {
		for _, p := range pairs {
			if colour[p.over] == "" || colour[p.under] == "" {
				t.Fatalf("%s has no colour %s or %s", theme, p.over, p.under)
			}
			if c := contrast(colour[p.over], colour[p.under]); c < p.least {
				t.Errorf("%s: %s on %s is %.2f:1, needs %.1f:1", theme, p.over, p.under, c, p.least)
			}
		}
	}
}
