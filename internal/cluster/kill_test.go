package cluster

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A process with these variables is a broker, until it is killed.
const (
	brokerVariable = "BANKAI_TEST_BROKER" // its folder
	listenVariable = "BANKAI_TEST_LISTEN"
)

// serve is a broker's process. It prints where the broker is, and ends when whoever
// started it does.
func serve(dir, listen string) {
	b, err := StartBroker(BrokerOptions{Dir: dir, Listen: listen})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(b.URL())
	bufio.NewReader(os.Stdin).ReadString('\n')
	os.Exit(0)
}

// startProcess is a broker in a process of its own; kill ends it at once.
func startProcess(t testing.TB, dir, listen string) (url string, kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), brokerVariable+"="+dir, listenVariable+"="+listen)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = func() {
		cmd.Process.Kill()
		cmd.Wait()
	}
	t.Cleanup(kill)
	line, err := bufio.NewReader(out).ReadString('\n')
	if url = strings.TrimSpace(line); err != nil || !strings.HasPrefix(url, "nats://") {
		t.Fatalf("the broker's process says %q, %v", line, err)
	}
	return url, kill
}

// TestBrokerIsKilled and comes back with all that it had said to have.
func TestBrokerIsKilled(t *testing.T) {
	dir, log := t.TempDir(), &lines{}
	url, kill := startProcess(t, dir, "")
	o, err := dial(t, Access{URL: url, TokenFile: dir + "/token", Log: log.log}).Objects(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		text := fmt.Sprintf("what was stored before kill %d", n)
		d, err := o.PutBytes(t.Context(), "text", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		kill()
		var again string
		if again, kill = startProcess(t, dir, strings.TrimPrefix(url, "nats://")); again != url {
			t.Fatalf("it is at %s now, not at %s", again, url)
		}
		eventually(t, "the connection is back", func() bool { return log.count("is back") == n+1 })
		if got, err := o.Bytes(t.Context(), d, 100); err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
	}
}
