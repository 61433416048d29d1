package test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/drawbridge-id/drawbridge/config"
	"github.com/drawbridge-id/drawbridge/test/world"
)

// built is the folder that binaries made; empty as long as no story asked for a command.
var built string

// binaries is where the commands are built, once for all stories.
var binaries = sync.OnceValues(func() (_ string, err error) {
	if built, err = os.MkdirTemp("", "drawbridge-binaries-"); err != nil {
		return "", err
	}
	if out, err := exec.Command("go", "build", "-o", built+"/", "../cmd/drawbridge", "../cmd/drawbridge-sim").CombinedOutput(); err != nil {
		return "", fmt.Errorf("the commands do not build: %w\n%s", err, out)
	}
	return built, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if built != "" {
		_ = os.RemoveAll(built)
	}
	os.Exit(code)
}

// A shell is where somebody types commands: a folder and an environment.
type shell struct {
	t   testing.TB
	bin string
	dir string
	env []string
}

// newShell is a shell in a fresh folder.
func newShell(t testing.TB) *shell {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	return &shell{t: t, bin: bin, dir: t.TempDir()}
}

// shellFor is a shell whose commands work on the running house of a story.
func shellFor(w *world.World) *shell {
	w.Helper()
	sh := newShell(w)
	var text strings.Builder
	if err := config.Print(&text, w.Cfg); err != nil {
		w.Fatal(err)
	}
	sh.write("drawbridge.yaml", text.String())
	sh.env = append(sh.env, "DRAWBRIDGE_DATABASE="+w.Cfg.Database) // Print leaves a password out
	return sh
}

// write puts a file into the folder and gives its path.
func (sh *shell) write(name, text string) string {
	sh.t.Helper()
	path := filepath.Join(sh.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		sh.t.Fatal(err)
	}
	return path
}

// command is a call of one of the binaries that is still to be run.
func (sh *shell) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(sh.bin, args[0]), args[1:]...)
	cmd.Dir = sh.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + sh.dir, "TMPDIR=" + os.TempDir()}, sh.env...)
	return cmd
}

// A printout is what a command left on the terminal.
type printout struct {
	sh       *shell
	line     string
	out, err string
	code     int
}

// run types a line, for instance "drawbridge org show acme", and waits for the end.
func (sh *shell) run(line string) printout {
	sh.t.Helper()
	ctx, stop := context.WithTimeout(sh.t.Context(), time.Minute)
	defer stop()
	cmd := sh.command(ctx, strings.Fields(line)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		sh.t.Fatalf("%s: %v", line, err)
	}
	return printout{sh, line, out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// exits checks the exit code.
func (p printout) exits(code int) printout {
	p.sh.t.Helper()
	if p.code != code {
		p.sh.t.Errorf("$ %s\nexits with %d, want %d\n%s%s", p.line, p.code, code, p.out, p.err)
	}
	return p
}

// says checks what stands on standard output, and complains what stands on standard error.
func (p printout) says(all ...string) printout {
	p.sh.t.Helper()
	return p.holds("output", p.out, all)
}

func (p printout) complains(all ...string) printout {
	p.sh.t.Helper()
	return p.holds("error output", p.err, all)
}

func (p printout) holds(where, text string, all []string) printout {
	p.sh.t.Helper()
	for _, s := range all {
		if !strings.Contains(text, s) {
			p.sh.t.Errorf("$ %s\nits %s does not say %q:\n%s", p.line, where, s, text)
		}
	}
	return p
}

// A daemon is a running "drawbridge serve".
type daemon struct {
	sh    *shell
	cmd   *exec.Cmd
	url   string
	log   bytes.Buffer
	ended chan struct{}
}

// serve starts a daemon in its own process group and waits until it says that it is ready. It ends with the test at the latest.
func (sh *shell) serve(args ...string) *daemon {
	sh.t.Helper()
	d := &daemon{sh: sh, cmd: sh.command(context.Background(), append([]string{"drawbridge", "serve"}, args...)...), ended: make(chan struct{})}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	d.cmd.Stderr = &d.log // read when the process has ended
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		sh.t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		sh.t.Fatal(err)
	}
	ready := make(chan string, 1)
	go func() {
		defer close(d.ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if url, ok := strings.CutPrefix(lines.Text(), "ready: "); ok {
				ready <- url
			}
		}
		_ = d.cmd.Wait() // its state is looked at
	}()
	sh.t.Cleanup(d.kill)
	select {
	case d.url = <-ready:
	case <-d.ended:
		sh.t.Fatalf("the daemon ended before it was ready:\n%s", d.log.String())
	case <-time.After(time.Minute):
		d.kill()
		sh.t.Fatalf("the daemon was not ready within a minute:\n%s", d.log.String())
	}
	return d
}

// kill ends the daemon as a power cut would, and returns when it is gone.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill() // it may be gone already
	<-d.ended
}

// stop asks the daemon to end and gives its exit code.
func (d *daemon) stop() int {
	d.sh.t.Helper()
	if err := d.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		d.sh.t.Error(err)
	}
	select {
	case <-d.ended:
	case <-time.After(30 * time.Second):
		d.kill()
		d.sh.t.Errorf("the daemon did not end within 30 s of SIGTERM:\n%s", d.log.String())
	}
	return d.cmd.ProcessState.ExitCode()
}

// freeAddress is a loopback address at which nothing listens at the moment.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
