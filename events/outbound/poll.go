package outbound

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/drawbridge-id/drawbridge/account"
	"github.com/drawbridge-id/drawbridge/store"
)

const (
	mostPolled  = 100              // tokens in one answer
	longestPoll = 20 * time.Second // shorter than any handler may take
	mostAcks    = 1000
	mostWaiting = 2 // polls of one stream at once, in one process: a receiver that lost its connection asks anew
)

// A poll is what a receiver asks (RFC 8936 §2.4).
type poll struct {
	Max         *int                         `json:"maxEvents"`
	Immediately bool                         `json:"returnImmediately"`
	Acks        []account.EventID            `json:"ack"`
	Errors      map[account.EventID]struct { // of tokens that it could not take
		Err         string `json:"err"`
		Description string `json:"description"`
	} `json:"setErrs"`
}

type polled struct {
	Sets map[account.EventID]string `json:"sets"`
	More bool                       `json:"moreAvailable,omitempty"`
}

// Poll gives a receiver what waits for it, and takes back what it has done with (RFC 8936 §2). It waits when there is nothing, unless it is
// asked not to; when others of the same stream come meanwhile, the oldest is answered at once. What is not acknowledged is given again; of one subject, the later event only after the earlier one is done with.
func (d *Door) Poll(w http.ResponseWriter, r *http.Request) error {
	g, err := d.receiver(w, r, false)
	if err != nil {
		return err
	}
	var asked poll
	if err := read(w, r, &asked); err != nil {
		return err
	}
	n := mostPolled
	if asked.Max != nil {
		n = min(*asked.Max, mostPolled)
	}
	if n < 0 || len(asked.Acks)+len(asked.Errors) > mostAcks {
		return invalid("maxEvents is no negative number, and at most %d tokens are acknowledged at once.", mostAcks)
	}
	rejects := map[account.EventID]store.Rejection{}
	for id, e := range asked.Errors {
		rejects[id] = store.Rejection{Err: plainText(e.Err), Description: plainText(e.Description)}
	}
	stream := account.FeedID(r.PathValue("stream"))
	if f, err := d.o.Ledger.FeedOf(r.Context(), g); err != nil || f.ID != stream { // nobody waits for what is not theirs, or is made up
		if err == nil {
			err = noStream()
		}
		return err
	}
	ctx, done := d.waiting(r.Context(), stream)
	defer done()
	acks := asked.Acks
	for {
		posted := d.o.Ledger.Posted(stream)
		p, more, err := d.o.Ledger.Fetch(r.Context(), g, stream, acks, rejects, n)
		if err != nil {
			return err
		}
		acks, rejects = nil, nil
		if len(p.Deliveries) > 0 || n == 0 || asked.Immediately || ctx.Err() != nil {
			return d.answer(w, p, more)
		}
		select {
		case <-posted:
		case <-time.After(lookEvery): // for what another replica has posted
		case <-ctx.Done():
		}
	}
}

// waiting ends when a long poll has to be answered: in time, because the house is closing, or because newer ones of its stream wait too.
func (d *Door) waiting(ctx context.Context, stream account.FeedID) (context.Context, func()) {
	ctx, cancel := context.WithTimeout(ctx, longestPoll)
	if running := d.ending.Load(); running != nil {
		context.AfterFunc(*running, cancel)
	}
	me := &cancel
	d.mu.Lock()
	all := append(d.polls[stream], me)
	for _, oldest := range all[:max(len(all)-mostWaiting, 0)] {
		(*oldest)()
	}
	d.polls[stream] = all
	d.mu.Unlock()
	return ctx, func() {
		cancel()
		d.mu.Lock()
		defer d.mu.Unlock()
		left := slices.DeleteFunc(d.polls[stream], func(c *context.CancelFunc) bool { return c == me })
		if d.polls[stream] = left; len(left) == 0 {
			delete(d.polls, stream)
		}
	}
}

func (d *Door) answer(w http.ResponseWriter, p store.Parcel, more bool) error {
	out := polled{Sets: map[account.EventID]string{}, More: more}
	for _, one := range p.Deliveries {
		token, err := d.token(p, one)
		if err != nil {
			return err
		}
		out.Sets[one.ID] = token
	}
	return write(w, http.StatusOK, out)
}
