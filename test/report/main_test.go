package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const ok = `{"Action":"run","Package":"github.com/drawbridge-id/drawbridge/rules","Test":"TestA"}
{"Action":"output","Package":"github.com/drawbridge-id/drawbridge/rules","Test":"TestA","Output":"noise\n"}
{"Action":"pass","Package":"github.com/drawbridge-id/drawbridge/rules","Test":"TestA"}
`
	for _, c := range []struct {
		name, in  string
		want      []string // in the output and the closing lines together
		wantNot   string
		local, ci bool
	}{
		{name: "all is well", in: ok + `{"Action":"output","Package":"p","Output":"ok  \tp\t0.1s\n"}
{"Action":"pass","Package":"p"}`, want: []string{"ok  \tp\t0.1s", "tests: 1 passed, 0 failed, 0 skipped"}, wantNot: "noise", local: true, ci: true},
		{name: "a skip", in: ok + `{"Action":"output","Package":"p","Test":"TestB","Output":"=== NAME TestB\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:7: no browser here\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- SKIP: TestB (0.00s)\n"}
{"Action":"skip","Package":"p","Test":"TestB"}`, want: []string{"skipped  p TestB: b_test.go:7: no browser here", "1 passed, 0 failed, 1 skipped"}, local: true},
		{name: "a failure", in: ok + `{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:9: broke\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.1s\n"}
{"Action":"fail","Package":"p"}`, want: []string{"b_test.go:9: broke", "FAIL\tp", "1 passed, 1 failed, 0 skipped"}},
		{name: "a package that does not build", in: ok + `{"ImportPath":"p","Action":"build-output","Output":"p.go:3: undefined: x\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p"}`, want: []string{"undefined: x", "FAIL\tp [build failed]"}},
		{name: "a package that dies in the middle", in: ok + `{"Action":"output","Package":"p","Test":"TestB","Output":"last words\n"}
{"Action":"output","Package":"p","Output":"panic: test timed out\n"}
{"Action":"fail","Package":"p"}`, want: []string{"panic: test timed out", "last words"}},
		{name: "nothing was tested", in: "go: cannot find main module\n", want: []string{"go: cannot find main module", "0 passed"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			r := newReport(&out)
			if err := r.read(strings.NewReader(c.in)); err != nil {
				t.Fatal(err)
			}
			all := r.close()
			all = out.String() + all
			for _, want := range c.want {
				if !strings.Contains(all, want) {
					t.Errorf("%q is missing from\n%s", want, all)
				}
			}
			if c.wantNot != "" && strings.Contains(all, c.wantNot) {
				t.Errorf("%q is in\n%s", c.wantNot, all)
			}
			if got := r.good(false); got != c.local {
				t.Errorf("good here: %v, want %v", got, c.local)
			}
			if got := r.good(true); got != c.ci {
				t.Errorf("good where nothing may be skipped: %v, want %v", got, c.ci)
			}
		})
	}
}
