package peers

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Promtool is the path of Prometheus's own checker of rules and metrics.
func Promtool(t testing.TB) string {
	t.Helper()
	if path, err := exec.LookPath("promtool"); err == nil {
		return path
	}
	path := filepath.Join(Dir(), "promtool", "usr", "bin", "promtool")
	if _, err := os.Stat(path); err != nil {
		absent(t, "promtool", err.Error())
	}
	return path
}
