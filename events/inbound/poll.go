package inbound

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/egress"
	"github.com/drawbridge-id/drawbridge/events/set"
	"github.com/drawbridge-id/drawbridge/store"
	"github.com/drawbridge-id/drawbridge/strict"
)

const (
	// pollWait is how long a transmitter may leave a poll unanswered until something happens (RFC 8936 §2.2). A poll
	// without an answer by then has brought nothing, which is no failure.
	pollWait = 60 * time.Second
	// PollTimeout and PollLimit are what the client for polls has to stand.
	PollTimeout = pollWait + 10*time.Second
	PollLimit   = 16 << 20

	maxPolled  = 25          // tokens of one answer: 25 of the largest still fit
	restPolled = time.Second // between two polls that brought nothing
	firstPause = time.Second // after a failure; doubled each time, up to
	lastPause  = 5 * time.Minute
	lookPolled = 5 * time.Second // for streams that were added, changed or taken away
)

// Tasks are the door's recurring work, for Ledger.Work. Streams are polled by one replica at a time.
func (d *Door) Tasks() []store.Task {
	return []store.Task{
		{Name: "poll-streams", Every: lookPolled, Run: d.PollStreams},
		{Name: "fetch-resources", Every: lookPolled, Run: d.FetchResources},
	}
}

// PollStreams asks every transmitter that is to be polled for its tokens, each on its own, until ctx ends.
func (d *Door) PollStreams(ctx context.Context) error {
	pollers := map[account.StreamID]context.CancelFunc{}
	settings := map[account.StreamID]string{}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer func() {
		for _, stop := range pollers {
			stop()
		}
	}()
	for {
		streams, err := d.o.Ledger.AllStreams(ctx)
		if err != nil {
			return err
		}
		want := map[account.StreamID]account.Stream{}
		for _, s := range streams {
			if s.Method == account.StreamPoll && s.Poll != nil {
				want[s.ID] = s
			}
		}
		for id, stop := range pollers {
			if s, still := want[id]; !still || fingerprint(s) != settings[id] {
				stop()
				delete(pollers, id)
			}
		}
		for id, s := range want {
			if pollers[id] == nil {
				own, stop := context.WithCancel(ctx)
				pollers[id], settings[id] = stop, fingerprint(s)
				wg.Go(func() { d.poll(own, s) })
			}
		}
		if err := rest(ctx, lookPolled); err != nil {
			return err
		}
	}
}

// fingerprint changes with the settings and secrets of a stream.
func fingerprint(s account.Stream) string {
	secrets := ""
	if s.Poll != nil {
		secrets = s.Poll.Bearer.Reveal()
	}
	if s.Transmitter != nil {
		secrets += "\x00" + s.Transmitter.ClientSecret.Reveal() + "\x00" + s.Transmitter.Bearer.Reveal()
	}
	raw, _ := json.Marshal(s) // nothing in it can fail
	return string(raw) + secrets
}

// rest waits, and answers with the error of ctx when that ends first.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// poll asks one transmitter until ctx ends. What is durable here is acknowledged with the next poll.
func (d *Door) poll(ctx context.Context, s account.Stream) {
	var owed verdicts
	pause := firstPause
	for ctx.Err() == nil {
		got, err := d.PollOnce(ctx, s, owed)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			d.o.Metrics.Polled("failed")
			d.o.Log.WarnContext(ctx, "a stream could not be polled", "stream", s.ID, "error", err, "pause", pause)
			if rest(ctx, pause/2+rand.N(pause/2)) != nil {
				return
			}
			pause = min(2*pause, lastPause)
			continue
		}
		owed = got.verdicts
		pause = firstPause
		switch {
		case got.held > 0: // our own trouble: they come again, not at once
			if rest(ctx, later) != nil {
				return
			}
		case got.taken == 0: // also when it says that there is more, and gives nothing
			if rest(ctx, restPolled) != nil {
				return
			}
		}
	}
}

// verdicts are what is owed to a transmitter: the jti of tokens that are durable here, and those that were refused.
type verdicts struct {
	Acks []string               `json:"ack,omitempty"`
	Errs map[string]pollRefusal `json:"setErrs,omitempty"`
}

type pollRefusal struct {
	Err         string `json:"err"`
	Description string `json:"description"`
}

// A Polled is what came of one poll.
type Polled struct {
	verdicts
	more  bool // the transmitter has more at once
	taken int  // tokens that were judged
	held  int  // tokens that we could not take for reasons of our own
}

// PollOnce asks a transmitter once (RFC 8936 §2.2, RFC 8936 §2.4), telling it what it is owed, and hands the tokens that it answers with
// to the ledger.
func (d *Door) PollOnce(ctx context.Context, s account.Stream, owed verdicts) (Polled, error) {
	body, err := json.Marshal(struct {
		Max int  `json:"maxEvents"`
		Now bool `json:"returnImmediately"`
		verdicts
	}{Max: maxPolled, verdicts: owed})
	if err != nil {
		return Polled{}, err
	}
	ask, cancel := context.WithTimeout(ctx, pollWait)
	defer cancel()
	answer, err := d.askPoll(ask, s, body)
	if ask.Err() != nil && ctx.Err() == nil {
		d.o.Metrics.Polled("quiet")
		return Polled{verdicts: owed}, nil // whether it was heard is not known: it is said again
	}
	if err != nil {
		return Polled{}, err
	}
	out := Polled{more: answer.More}
	for _, jti := range sorted(answer.Sets) {
		if wait := d.wait(s.ID); wait > 0 { // SET-6: one that is polled has the rate of one that pushes
			if err := rest(ctx, wait); err != nil {
				return out, err
			}
		}
		d.judgePolled(ctx, s, jti, answer.Sets[jti], &out)
	}
	d.o.Metrics.Polled("done")
	return out, nil
}

type pollAnswer struct {
	Sets map[string]string `json:"sets"`
	More bool              `json:"moreAvailable"`
}

func sorted(sets map[string]string) []string {
	var out []string
	for jti := range sets {
		out = append(out, jti)
	}
	slices.Sort(out)
	return out
}

// askPoll sends one poll. A token that is no longer taken is replaced once.
func (d *Door) askPoll(ctx context.Context, s account.Stream, body []byte) (answer pollAnswer, err error) {
	for try := 0; ; try++ {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Poll.Endpoint, bytes.NewReader(body))
		if err != nil {
			return answer, account.Errorf(account.Invalid, "%q is no address to poll.", strict.Clip(s.Poll.Endpoint, 200)).Because(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json")
		if err := d.authorize(ctx, s, s.Poll.Bearer, r); err != nil {
			return answer, err
		}
		resp, err := d.o.Poll.Do(r)
		if err != nil {
			return answer, egress.Explain(s.Poll.Endpoint, err)
		}
		if resp.StatusCode == http.StatusUnauthorized && try == 0 && d.forgetToken(s) {
			_ = resp.Body.Close()
			continue
		}
		if resp.StatusCode != http.StatusOK {
			_ = resp.Body.Close()
			return answer, account.Errorf(account.Unavailable, "%s answers a poll with status %s.", strict.Clip(s.Poll.Endpoint, 200), strict.Clip(resp.Status, 60)).Coded("poll_status")
		}
		raw, err := egress.Read(resp, PollLimit)
		if err != nil {
			return answer, egress.Explain(s.Poll.Endpoint, err)
		}
		return readPolled(raw)
	}
}

// readPolled reads the answer to a poll (RFC 8936 §2.3).
func readPolled(raw []byte) (answer pollAnswer, err error) {
	o, err := strict.Object(raw, 8)
	if err != nil {
		return answer, account.Errorf(account.Unavailable, "The answer to a poll cannot be read.").Coded("poll_document").Because(err)
	}
	answer.Sets = map[string]string{}
	answer.More, _ = o["moreAvailable"].(bool)
	sets, _ := o["sets"].(map[string]any)
	for jti, v := range sets {
		if token, ok := v.(string); ok && len(answer.Sets) < 10*maxPolled {
			answer.Sets[jti] = token
		}
	}
	return answer, nil
}

// judgePolled takes one token and notes what its sender is owed for it: nothing as long as the trouble is ours.
func (d *Door) judgePolled(ctx context.Context, s account.Stream, jti, raw string, out *Polled) {
	token, err := d.judge(ctx, s, raw)
	if err == nil && token.JTI != jti {
		err = &set.Error{Code: set.InvalidRequest, Description: "The token's jti is not the one it was sent under."}
	}
	if err == nil {
		err = d.receive(ctx, account.Actor{}, s, token)
	}
	out.taken++
	if err == nil {
		out.Acks = append(out.Acks, jti)
		return
	}
	a := judged(err)
	d.o.Log.WarnContext(ctx, "a polled token was refused", "stream", s.ID, "jti", strict.Clip(jti, 100), "code", a.code, "error", err)
	if a.status != http.StatusBadRequest || errors.Is(err, context.Canceled) {
		out.held++
		return
	}
	d.o.Metrics.Refused(a.code)
	if out.Errs == nil {
		out.Errs = map[string]pollRefusal{}
	}
	out.Errs[jti] = pollRefusal{Err: a.code, Description: a.text}
}
