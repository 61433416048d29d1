package estate

import (
	"time"

	"github.com/drawbridge-id/drawbridge/account"
)

type breakerSection struct {
	Off    bool          `yaml:"off"`
	Share  int           `yaml:"share"`
	Within time.Duration `yaml:"within"`
	Least  *int          `yaml:"least"`
}

type syncDecisionSection struct {
	Decision       string `yaml:"decision"`
	AcknowledgedBy string `yaml:"acknowledged_by"`
	Evidence       string `yaml:"evidence"`
	Note           string `yaml:"note"`
}

// breaker is nil when the file says nothing of one.
func (p *reading) breaker(at string, s *breakerSection) *account.Breaker {
	if s == nil {
		return nil
	}
	b := account.DefaultBreaker
	b.Off = s.Off
	if s.Share != 0 {
		b.Share = s.Share
	}
	if s.Within != 0 {
		b.Within = s.Within
	}
	if s.Least != nil {
		b.Least = *s.Least
	}
	p.pointed(at, b.Check())
	return &b
}

func (p *reading) syncDecision(at string, s *syncDecisionSection) *account.SyncDecision {
	if s == nil {
		return nil
	}
	d := account.SyncDecision{Decision: account.SyncChoice(s.Decision), AcknowledgedBy: s.AcknowledgedBy, Evidence: s.Evidence, Note: s.Note}
	p.pointed(at, d.Check())
	return &d
}
