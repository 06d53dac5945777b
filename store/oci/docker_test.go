package oci

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// dockerRegistry starts Debian's docker-registry, with more lines of configuration if
// any. It returns the host and port, or "" where there is none.
func dockerRegistry(t *testing.T, more ...string) string {
	t.Helper()
	program, err := exec.LookPath("docker-registry")
	if err != nil {
		t.Log("NOT TESTED: there is no docker-registry (Debian's package of that name), so nothing was tried on a registry of others")
		return ""
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: %s}\nhttp: {addr: %q, secret: s}\n%s",
		filepath.Join(dir, "data"), host, strings.Join(more, "\n"))
	file := filepath.Join(dir, "config.yml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "serve", file)
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan string, 1)
	go func() {
		last := ""
		for s := bufio.NewScanner(said); s.Scan(); {
			last = s.Text()
		}
		ended <- last
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-ended
		cmd.Wait()
	})
	for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(2 * time.Millisecond) {
		if a, err := http.Get("http://" + host + "/v2/"); err == nil {
			a.Body.Close()
			return host
		}
		select {
		case last := <-ended:
			ended <- last
			t.Fatalf("docker-registry ended: %s", last)
		default:
		}
	}
	t.Fatal("docker-registry does not answer")
	return ""
}
