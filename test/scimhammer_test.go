package test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/test/world"
)

// Both companies push people of the same names, ids and groups at once, look for them, and try the other's ids and token all the while. Each
// finds its own and never a trace of the other.
//
// REQ A-01
// THREAT SCIM-1
func TestTwoTenantsHammeringAtOnceNeverSeeEachOther(t *testing.T) {
	world.Each(t, func(w *world.World) {
		sides := []*pusher{pusherOf(w, w.Acme().Connection), pusherOf(w, w.Globex().Connection)}
		const workers, each = 4, 6
		var mu sync.Mutex
		known := make([][]string, 2) // ids of each side, for the other one to try
		groups := make([]string, 2)
		for i, p := range sides {
			groups[i] = p.send("POST", "/Groups", aGroup("Staff")).is(201).text("id")
		}
		var wg sync.WaitGroup
		for i, p := range sides {
			mine, other := i, 1-i
			mark := []string{"is acme's own", "is globex's own"}
			for n := range workers {
				wg.Go(func() {
					c := &http.Client{Timeout: time.Minute}
					defer c.CloseIdleConnections()
					for k := range each {
						email := fmt.Sprintf("p%d-%d@acme.example", n, k)
						body := aUser(email, fmt.Sprintf("ext-%d-%d", n, k))
						body["displayName"] = mark[mine]
						id := p.send("POST", "/Users", body).is(201).text("id")
						mu.Lock()
						known[mine] = append(known[mine], id)
						theirs := slices.Clone(known[other])
						mu.Unlock()
						if err := p.ask(c, "PATCH", "/Groups/"+groups[mine], patch(op("add", "members", []any{map[string]any{"value": id}})), http.StatusNoContent); err != nil {
							w.Error(err)
						}
						for _, filter := range []string{`userName eq "` + email + `"`, `externalId eq "` + fmt.Sprintf("ext-%d-%d", n, k) + `"`, `emails.value eq "` + email + `"`, `displayName sw "is "`} {
							found := p.send("GET", "/Users?count=500&filter="+filter, nil).is(200)
							if strings.Contains(found.raw, mark[other]) || !strings.Contains(found.raw, id) {
								w.Errorf("side %d asks for %s and is told %s", mine, filter, found.raw)
							}
						}
						if len(theirs) > 0 {
							id := theirs[len(theirs)-1]
							for _, try := range []struct {
								method, path string
								body         any
							}{
								{"GET", "/Users/" + id, nil}, {"PATCH", "/Users/" + id, patch(op("replace", "active", false))}, {"DELETE", "/Users/" + id, nil},
								{"PATCH", "/Groups/" + groups[other], patch(op("add", "members", []any{map[string]any{"value": id}}))},
							} {
								if err := p.ask(c, try.method, try.path, try.body, http.StatusNotFound); err != nil {
									w.Errorf("side %d, %s %s: %v", mine, try.method, try.path, err)
								}
							}
						}
						astray := &pusher{World: w, base: sides[other].base, token: p.token}
						if err := astray.ask(c, "GET", "/Users", nil, http.StatusUnauthorized); err != nil {
							w.Errorf("side %d with its token at the other's door: %v", mine, err)
						}
					}
				})
			}
		}
		wg.Wait()
		for i, p := range sides {
			all := p.send("GET", "/Users?count=500", nil).is(200)
			found := ids(all)
			slices.Sort(found)
			slices.Sort(known[i])
			if !slices.Equal(found, known[i]) {
				w.Errorf("side %d has %d people and made %d", i, len(found), len(known[i]))
			}
			if strings.Contains(all.raw, `"active":false`) {
				w.Errorf("side %d: somebody was deactivated", i)
			}
			members, _ := p.send("GET", "/Groups/"+groups[i], nil).is(200).at("members").([]any)
			if len(members) != workers*each {
				w.Errorf("side %d: its group has %d members", i, len(members))
			}
		}
		if found, err := w.House.Ledger.Check(w.Context(), world.Operator); err != nil || len(found.Faults) > 0 {
			w.Errorf("the house is not whole: %v %q", err, found.Faults)
		}
	})
}
