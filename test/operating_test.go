package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/drawbridge-id/drawbridge/test/peers"
	"github.com/drawbridge-id/drawbridge/test/world"
)

const operating = "../docs/operating"

// registered are the metrics of a house as the command builds it, with their labels.
func registered(t *testing.T) map[string][]string {
	t.Helper()
	return world.New(t, "sqlite:"+filepath.Join(t.TempDir(), "house.db")).House.Metrics.Names()
}

func manual(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(operating, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// An operator reads on the page what there is to watch, and finds it.
func TestThePageOfMetricsAndTheHouseAgree(t *testing.T) {
	have := registered(t)
	said := map[string][]string{}
	row := regexp.MustCompile("(?m)^\\| `(drawbridge_\\w+)` \\| (\\w+) \\|([^|]*)\\| [^|]{10,} \\|$")
	word := regexp.MustCompile("`(\\w+)`")
	for _, r := range row.FindAllStringSubmatch(manual(t, "metrics.md"), -1) {
		name, kind := r[1], r[2]
		if _, twice := said[name]; twice {
			t.Errorf("the page names %s twice", name)
		}
		said[name] = []string{}
		for _, label := range word.FindAllStringSubmatch(r[3], -1) {
			said[name] = append(said[name], label[1])
		}
		if counts := strings.HasSuffix(name, "_total"); counts != (kind == "counter") {
			t.Errorf("%s is called a %s", name, kind)
		}
	}
	for name, labels := range have {
		if of, ok := said[name]; !ok {
			t.Errorf("docs/operating/metrics.md does not name %s", name)
		} else if !slices.Equal(of, labels) {
			t.Errorf("%s has the labels %v; the page says %v", name, labels, of)
		}
	}
	for name := range said {
		if _, ok := have[name]; !ok {
			t.Errorf("docs/operating/metrics.md names %s, which nothing measures", name)
		}
	}
}

// What the house says when it is scraped is what Prometheus's own checker calls well formed.
func TestPrometheusLikesWhatItScrapes(t *testing.T) {
	tool := peers.Promtool(t)
	w := world.New(t, "sqlite:"+filepath.Join(t.TempDir(), "house.db"))
	acme := w.Acme()
	acme.As("ana@acme.example")
	p := pusherOf(w, acme.Connection)
	id := p.send("POST", "/Users", aUser("ana@acme.example", "ext-ana")).is(201).text("id")
	p.send("PATCH", "/Users/"+id, patch(op("replace", "active", false))).is(200, 204)

	scraped := httptest.NewRecorder()
	w.House.Staff.ServeHTTP(scraped, httptest.NewRequest("GET", "/metrics", nil))
	for _, line := range []string{
		`drawbridge_removal_seconds_count{source="scim"} 1`,
		`drawbridge_scim_requests_total{dialect="okta",outcome="ok"} 2`,
		`drawbridge_database_up 1`, `drawbridge_connections_paused 0`, `drawbridge_streams_silent 0`,
		`drawbridge_sign_ins_total{idp="okta",outcome="passed",protocol="saml"} 1`,
	} {
		if !strings.Contains(scraped.Body.String(), "\n"+line+"\n") {
			t.Errorf("the scrape does not say %s", line)
		}
	}
	check := exec.Command(tool, "check", "metrics")
	check.Stdin = scraped.Body
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// An alertRule is a rule as Prometheus reads it.
type alertRule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func alertRules(t *testing.T) (all []alertRule) {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []alertRule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.Unmarshal([]byte(manual(t, "alerts.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no rules")
	}
	return all
}

// Each rule says what is wrong, for whom, and where it stands what to do; and each has been seen to fire.
func TestEveryAlertLeadsToWhatToDo(t *testing.T) {
	page, tests := manual(t, "alerts.md"), manual(t, "alerts_test.yaml")
	for _, r := range alertRules(t) {
		for _, a := range []string{"summary", "description"} {
			if len(r.Annotations[a]) < 15 {
				t.Errorf("%s has the %s %q", r.Alert, a, r.Annotations[a])
			}
		}
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s has severity %q", r.Alert, s)
		}
		file, anchor, _ := strings.Cut(r.Annotations["runbook_url"], "#")
		if !strings.HasSuffix(file, "/docs/operating/alerts.md") || anchor != strings.ToLower(r.Alert) || !strings.Contains(page, "\n## "+r.Alert+"\n") {
			t.Errorf("%s leads to %q, where there is nothing", r.Alert, r.Annotations["runbook_url"])
		}
		if !strings.Contains(tests, `ALERTS{alertname="`+r.Alert+`",alertstate="firing"`) && !strings.Contains(tests, "alertname: "+r.Alert+"\n        exp_alerts:\n          -") {
			t.Errorf("no test of alerts_test.yaml has %s fire", r.Alert)
		}
	}
}

func TestPromtoolAgreesWithTheRules(t *testing.T) {
	tool := peers.Promtool(t)
	for _, args := range [][]string{{"check", "rules", "alerts.yaml"}, {"test", "rules", "alerts_test.yaml"}} {
		cmd := exec.Command(tool, args...)
		cmd.Dir = operating
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

// A dashboard, as far as it is checked here.
type dashboard struct {
	SchemaVersion int `json:"schemaVersion"`
	Templating    struct {
		List []struct {
			Name, Type string
			Query      any
		} `json:"list"`
	} `json:"templating"`
	Panels []panel `json:"panels"`
}

type panel struct {
	ID         int                      `json:"id"`
	Type       string                   `json:"type"`
	Title      string                   `json:"title"`
	Datasource datasource               `json:"datasource"`
	Grid       struct{ H, W, X, Y int } `json:"gridPos"`
	Targets    []struct {
		Datasource datasource `json:"datasource"`
		Expr       string     `json:"expr"`
		RefID      string     `json:"refId"`
	} `json:"targets"`
}

type datasource struct{ Type, UID string }

func TestTheDashboardCanBeImportedAnywhere(t *testing.T) {
	var d dashboard
	if err := json.Unmarshal([]byte(manual(t, "grafana-dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	if d.SchemaVersion < 39 || len(d.Templating.List) == 0 || d.Templating.List[0].Type != "datasource" || d.Templating.List[0].Query != "prometheus" {
		t.Errorf("schema %d, variables %+v", d.SchemaVersion, d.Templating.List)
	}
	chosen := datasource{"prometheus", "${" + d.Templating.List[0].Name + "}"}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q: its id is taken, or it has no title", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.Grid.W < 1 || p.Grid.X+p.Grid.W > 24 {
			t.Errorf("%q is %+v; a dashboard has 24 columns", p.Title, p.Grid)
		}
		for x := p.Grid.X; x < p.Grid.X+p.Grid.W; x++ {
			for y := p.Grid.Y; y < p.Grid.Y+p.Grid.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%q covers %q", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if q.Expr == "" || refs[q.RefID] || q.Datasource != chosen {
				t.Errorf("%q asks %+v", p.Title, q)
			}
			refs[q.RefID] = true
		}
		if len(p.Targets) == 0 || p.Datasource != chosen {
			t.Errorf("%q asks nothing, or %v", p.Title, p.Datasource)
		}
	}
}

var (
	measured = regexp.MustCompile(`(drawbridge_\w+)(?:\{([^}]*)\})?`)
	selector = regexp.MustCompile(`(\w+)\s*(?:=~|!~|!=|=)`)
	grouped  = regexp.MustCompile(`by \(([^)]*)\)`)
	shown    = regexp.MustCompile(`label_values\((drawbridge_\w+)`)
)

// Dashboard and rules ask for what is measured, by the labels that it has; and what is measured is shown.
func TestDashboardAndRulesAskForWhatIsMeasured(t *testing.T) {
	have := registered(t)
	check := func(where, expr string, seen map[string]bool) {
		labels := map[string]bool{}
		for _, m := range measured.FindAllStringSubmatch(expr, -1) {
			name := m[1]
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				if cut, ok := strings.CutSuffix(name, suffix); ok && have[name] == nil {
					name = cut
					labels["le"] = true
				}
			}
			known, ok := have[name]
			if !ok {
				t.Errorf("%s asks for %s, which nothing measures", where, m[1])
			}
			seen[name] = true
			of := append([]string{"instance", "job", "le"}, known...)
			for _, s := range selector.FindAllStringSubmatch(m[2], -1) {
				if !slices.Contains(of, s[1]) {
					t.Errorf("%s asks for %s by %s; it has %v", where, name, s[1], known)
				}
			}
			for _, l := range of {
				labels[l] = true
			}
		}
		for _, g := range grouped.FindAllStringSubmatch(expr, -1) {
			for l := range strings.SplitSeq(g[1], ",") {
				if !labels[strings.TrimSpace(l)] {
					t.Errorf("%s groups by %q, which none of its metrics has", where, l)
				}
			}
		}
	}
	seen := map[string]bool{}
	for _, r := range alertRules(t) {
		check(r.Alert, r.Expr, map[string]bool{})
	}
	var d dashboard
	text := manual(t, "grafana-dashboard.json")
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			check(fmt.Sprintf("panel %q", p.Title), q.Expr, seen)
		}
	}
	for _, m := range shown.FindAllStringSubmatch(text, -1) {
		check("the dashboard's variable", m[1], seen)
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		if !seen[name] {
			t.Errorf("%s is on no panel", name)
		}
	}
	series := regexp.MustCompile(`series: '([^']*)'`)
	for _, s := range series.FindAllStringSubmatch(manual(t, "alerts_test.yaml"), -1) {
		check("alerts_test.yaml", s[1], map[string]bool{})
	}
}
