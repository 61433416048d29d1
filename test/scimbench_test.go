package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	elimity "github.com/elimity-com/scim"
	"github.com/elimity-com/scim/optional"
	"github.com/elimity-com/scim/schema"
)

// turn is how many requests one side makes before it is the other's turn, so that what else goes on on the machine meets both.
const turn = 250

// clientsAtOnce are how many requests are under way at a time.
var clientsAtOnce = []int{1, 8, 64}

// What a provider does to single users, through the whole door with durable commits, among a thousand people and among a million.
func BenchmarkSCIM(b *testing.B) {
	databases(b, func(b *testing.B, fresh func() string) {
		small, large := newThrong(b, fresh(), 1000), newThrong(b, fresh(), throngsOf(b))
		for _, what := range []struct {
			name string
			do   func(c *throng, with *http.Client) error
		}{{"read", (*throng).readOne}, {"filter", (*throng).filterOne}, {"patch", (*throng).patchOne}, {"create", (*throng).createOne}} {
			for _, clients := range clientsAtOnce {
				b.Run(fmt.Sprintf("%s/clients=%d", what.name, clients), func(b *testing.B) {
					c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
					defer c.CloseIdleConnections()
					var few, many cost
					for done := 0; done < b.N; done += turn {
						n := min(turn, b.N-done)
						few.add(among(b, clients, n, func(int) error { return what.do(small, c) }))
						many.add(among(b, clients, n, func(int) error { return what.do(large, c) }))
					}
					b.ReportMetric(0, "ns/op") // of both sides together, which says nothing
					b.ReportMetric(float64(b.N)/few.clock.Seconds(), "at-1k/s")
					b.ReportMetric(float64(b.N)/many.clock.Seconds(), "at-most/s")
					b.ReportMetric(many.clock.Seconds()/few.clock.Seconds(), "x-grown")
					b.ReportMetric(many.processor.Seconds()/few.processor.Seconds(), "x-grown-cpu")
					b.ReportMetric(float64(few.processor.Microseconds())/float64(b.N), "cpu-us")
				})
			}
		}
	})
}

// Durable creations through the whole door against the library's own server, which keeps them in a map, in the same run.
func BenchmarkSCIMCreateAndLibrary(b *testing.B) {
	library := httptest.NewServer(elimityServer(b))
	defer library.Close()
	databases(b, func(b *testing.B, fresh func() string) {
		house := newThrong(b, fresh(), 1000)
		bare := &throng{pusher: &pusher{World: house.World, base: library.URL}}
		for _, clients := range clientsAtOnce {
			b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
				c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
				defer c.CloseIdleConnections()
				var ours, theirs cost
				for done := 0; done < b.N; done += turn {
					n := min(turn, b.N-done)
					ours.add(among(b, clients, n, func(int) error { return house.createOne(c) }))
					theirs.add(among(b, clients, n, func(int) error { return bare.createOne(c) }))
				}
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(float64(b.N)/ours.clock.Seconds(), "creates/s")
				b.ReportMetric(theirs.clock.Seconds()/ours.clock.Seconds(), "x-library")
				b.ReportMetric(theirs.processor.Seconds()/ours.processor.Seconds(), "x-library-cpu")
				b.ReportMetric(float64(ours.processor.Microseconds())/float64(b.N), "cpu-us")
			})
		}
	})
}

// Adding one member to a group costs what it changes, and not what the group holds.
func BenchmarkSCIMJoin(b *testing.B) {
	databases(b, func(b *testing.B, fresh func() string) {
		const few, many = 100, 100_000
		database := fresh()
		house := newThrong(b, database, many+few)
		groups := map[int]string{}
		for _, size := range []int{few, many} {
			groups[size] = house.send("POST", "/Groups", aGroup(fmt.Sprint("of ", size), house.id(0))).is(201).text("id")
		}
		house.Stop()
		r := newCopier(b, database)
		r.same[tail(house.scu)] = ""
		for size, group := range groups {
			r.multiply("scim_members", size, group)
		}
		r.close()
		house.Start()
		c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
		// Each time one who is not in it, and out again.
		move := func(size int, op string, n int) error {
			value := []any{map[string]any{"value": house.id(many + n%few)}}
			return house.ask(c, "PATCH", "/Groups/"+groups[size], patch(map[string]any{"op": op, "path": "members", "value": value}), http.StatusNoContent)
		}
		for _, size := range []int{few, many} {
			if got := len(house.send("GET", "/Groups/"+groups[size], nil).is(200).at("members").([]any)); got != size {
				b.Fatalf("the group of %d has %d members", size, got)
			}
		}
		b.Run("add", func(b *testing.B) {
			spent := map[int]*cost{few: {}, many: {}}
			bytes := map[int]uint64{}
			for done := 0; done < b.N; done += few {
				n := min(few, b.N-done)
				for size, c := range spent {
					var before, after runtime.MemStats
					runtime.ReadMemStats(&before)
					c.add(among(b, 1, n, func(i int) error { return move(size, "add", i) }))
					runtime.ReadMemStats(&after)
					bytes[size] += after.TotalAlloc - before.TotalAlloc
					among(b, 1, n, func(i int) error { return move(size, "remove", i) })
				}
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(b.N)/spent[many].clock.Seconds(), "joins/s")
			b.ReportMetric(spent[many].clock.Seconds()/spent[few].clock.Seconds(), "x-grown")
			b.ReportMetric(spent[many].processor.Seconds()/spent[few].processor.Seconds(), "x-grown-cpu")
			b.ReportMetric(float64(bytes[many])/float64(b.N)/1000, "kB/join")
			b.ReportMetric(float64(bytes[many])/float64(bytes[few]), "x-grown-bytes")
		})
	})
}

// ask makes one request and holds the answer against a status.
func (p *pusher) ask(with *http.Client, method, path string, body any, want int) error {
	var reader io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(raw)
	}
	r, err := http.NewRequest(method, p.base+path, reader)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+p.token)
	r.Header.Set("Content-Type", "application/scim+json")
	resp, err := with.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != want {
		err = &unexpected{resp.Status, string(answer)}
	}
	return err
}

func (c *throng) anybody() int { return rand.IntN(c.people) }

func (c *throng) readOne(with *http.Client) error {
	return c.ask(with, "GET", "/Users/"+c.id(c.anybody()), nil, http.StatusOK)
}

func (c *throng) filterOne(with *http.Client) error {
	return c.ask(with, "GET", "/Users?filter="+url.QueryEscape(fmt.Sprintf(`userName eq "p%07d@acme.example"`, c.anybody())), nil, http.StatusOK)
}

func (c *throng) patchOne(with *http.Client) error {
	name := "Somebody else " + strconv.FormatUint(rand.Uint64(), 36)
	return c.ask(with, "PATCH", "/Users/"+c.id(c.anybody()), patch(op("replace", "displayName", name)), http.StatusOK)
}

func (c *throng) createOne(with *http.Client) error {
	if c.World != nil {
		c.Clock.Turn(time.Millisecond) // ids sort by time
	}
	return c.ask(with, "POST", "/Users", aPerson("q"+strconv.FormatUint(rand.Uint64(), 36)), http.StatusCreated)
}

// elimityServer is the library's server over a map, as its manual shows it.
func elimityServer(b *testing.B) http.Handler {
	b.Helper()
	s, err := elimity.NewServer(&elimity.ServerArgs{
		ServiceProviderConfig: &elimity.ServiceProviderConfig{SupportFiltering: true, SupportPatch: true},
		ResourceTypes: []elimity.ResourceType{{ID: optional.NewString("User"), Name: "User", Endpoint: "/Users", Schema: schema.CoreUserSchema(),
			Handler: &inMemory{users: map[string]elimity.Resource{}}}},
	})
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// inMemory keeps what is created.
type inMemory struct {
	elimity.ResourceHandler // the rest is not asked
	mu                      sync.Mutex
	users                   map[string]elimity.Resource
}

// Create keeps a user under a new id.
func (m *inMemory) Create(_ *http.Request, attributes elimity.ResourceAttributes) (elimity.Resource, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	r := elimity.Resource{ID: strconv.Itoa(len(m.users)), Attributes: attributes, Meta: elimity.Meta{Created: &now, LastModified: &now, Version: "1"}}
	if external, ok := attributes["externalId"].(string); ok {
		r.ExternalID = optional.NewString(external)
	}
	m.users[r.ID] = r
	return r, nil
}
