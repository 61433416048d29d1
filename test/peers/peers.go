// Package peers starts programs that nobody here wrote, so that the house is tested against
// somebody else's reading of the standards: simplesamlphp (Debian) as a SAML identity provider,
// oidc-provider (npm) as an OpenID Connect provider. test/peers/install.sh installs them.
//
// A peer listens on a free loopback port, is up when its constructor returns, and is gone when the
// test ends, even if the test process is killed. Where a peer is not installed, the test is skipped
// with the reason, or fails when CI=true.
package peers

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// startup bounds the time from the start of a peer to its first sign of life. It takes half a
// second on an idle machine; the rest is for two busy cores.
const startup = 60 * time.Second

// Dir is where install.sh puts what it downloads: $DRAWBRIDGE_PEERS, or .cache/peers in the
// checkout.
func Dir() string {
	if d := os.Getenv("DRAWBRIDGE_PEERS"); d != "" {
		return d
	}
	return filepath.Join(here(), "..", "..", ".cache", "peers")
}

// here is the folder of this package's source.
func here() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// absent ends a test whose peer cannot be had.
func absent(t testing.TB, peer, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not available: %s. A test may not be skipped when CI=true.", peer, why)
	}
	t.Skipf("%s is not available: %s. As root on Debian, test/peers/install.sh installs it.", peer, why)
}

// A process is one running peer and all that it has started itself.
type process struct {
	name  string
	cmd   *exec.Cmd
	guard io.Closer // closing it, or dying with it open, ends the process group
	log   *log
	done  chan struct{} // closed when the process has ended
}

// watch runs the command that follows it, and kills the whole process group, itself included, when
// the command ends or its own input does: so a peer never outlives the test, however that ends.
const watch = `{ "$@" </dev/null; kill -KILL 0; } & cat >/dev/null; kill -KILL 0`

// start runs a command and returns when a line of its output holds ready, or says why not.
func start(name, ready string, env []string, dir string, argv ...string) (*process, error) {
	cmd := exec.Command("/bin/sh", append([]string{"-c", watch, name}, argv...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	guard, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, input, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = input, input
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	input.Close()
	p := &process{name: name, cmd: cmd, guard: guard, log: &log{}, done: make(chan struct{})}
	up := make(chan struct{})
	go p.read(output, ready, up)
	select {
	case <-up:
		return p, nil
	case <-p.done:
		return nil, fmt.Errorf("%s ended before it was ready:\n%s", name, p.log)
	case <-time.After(startup):
		p.stop()
		return nil, fmt.Errorf("%s did not say %q within %v:\n%s", name, ready, startup, p.log)
	}
}

// read keeps the output, and waits for the process when no more of it can come.
func (p *process) read(output io.ReadCloser, ready string, up chan<- struct{}) {
	defer close(p.done)
	defer p.cmd.Wait() // the status of a killed group says nothing
	defer output.Close()
	lines := bufio.NewScanner(output)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.log.add(lines.Text())
		if up != nil && strings.Contains(lines.Text(), ready) {
			close(up)
			up = nil
		}
	}
}

// stop ends the process group and returns when it is gone.
func (p *process) stop() {
	p.guard.Close()
	syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// running starts a peer on a port that is free, trying others while somebody else is faster, and
// stops it when the test ends.
func running(t testing.TB, begin func(port int) (*process, error)) *process {
	t.Helper()
	var err error
	for range 4 {
		var p *process
		if p, err = begin(freePort(t)); err == nil {
			t.Cleanup(func() {
				p.stop()
				if t.Failed() {
					t.Logf("what %s said:\n%s", p.name, p.log)
				}
			})
			return p
		}
	}
	t.Fatal(err)
	return nil
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// tempDir is a folder for a peer's keys, sessions and logs.
func tempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "drawbridge-peer-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A log keeps the last lines that a peer wrote.
type log struct {
	mu    sync.Mutex
	lines []string
}

func (l *log) add(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lines = append(l.lines, line); len(l.lines) > 200 {
		l.lines = l.lines[100:]
	}
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b bytes.Buffer
	for _, line := range l.lines {
		fmt.Fprintf(&b, "  %s\n", line)
	}
	return b.String()
}
