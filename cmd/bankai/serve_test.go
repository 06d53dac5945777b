package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// served is `bankai serve` as a process.
type served struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	client *http.Client
	ended  chan error
	log    bytes.Buffer // what it said, to be read when it has ended
}

// serve starts it. It listens when this returns, on a free port.
func serve(t *testing.T, args ...string) *served {
	t.Helper()
	cmd := exec.Command("bankai", append([]string{"serve", "--listen", "127.0.0.1:0", "--threads", "1"}, args...)...)
	lines, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, cmd: cmd, client: &http.Client{Timeout: time.Minute}, ended: make(chan error, 1)}
	said := bufio.NewReader(lines)
	line, err := said.ReadString('\n')
	_, address, listens := strings.Cut(strings.TrimSpace(line), " level=INFO msg=listening address=")
	s.url = address
	go func() {
		io.Copy(&s.log, said)
		s.ended <- cmd.Wait()
	}()
	t.Cleanup(func() {
		s.client.CloseIdleConnections()
		cmd.Process.Kill()
	})
	if !listens {
		t.Fatalf("it says %q: %v", line, err)
	}
	return s
}

// ask asks, and returns the status, the head and the body of the answer.
func (s *served) ask(method, path, body string) (int, http.Header, string) {
	s.t.Helper()
	a := s.open(method, path, body)
	defer a.Body.Close()
	data, err := io.ReadAll(a.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return a.StatusCode, a.Header, string(data)
}

func (s *served) open(method, path, body string) *http.Response {
	s.t.Helper()
	q, err := http.NewRequestWithContext(context.Background(), method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	a, err := s.client.Do(q)
	if err != nil {
		s.t.Fatal(err)
	}
	return a
}

// await waits for a state of the server's health.
func (s *served) await(status int, word string) {
	s.t.Helper()
	got, body := 0, ""
	for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(time.Millisecond) {
		if got, _, body = s.ask("GET", "/health", ""); got == status && strings.Contains(body, `"`+word+`"`) {
			return
		}
	}
	s.t.Fatalf("its health is %d %s, want %d %s", got, body, status, word)
}

// status waits until the process has ended.
func (s *served) status() *os.ProcessState {
	s.t.Helper()
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		s.t.Fatal("it does not end")
	}
	return s.cmd.ProcessState
}

const question = `{"prompt":"At night the","temperature":0,"max_tokens":8}`

// With a certificate the server speaks TLS, HTTP/2 and 1.1, and nothing older or plain.
func TestServeTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	roots := writeCertificate(t, cert, key)
	s := serve(t, "--tls-cert", cert, "--tls-key", key)
	if !strings.HasPrefix(s.url, "https://") {
		t.Fatalf("it listens on %s", s.url)
	}
	var texts []string
	for _, protocol := range []string{"HTTP/1.1", "HTTP/2.0"} {
		s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: protocol == "HTTP/2.0"}
		s.await(200, "ok")
		for _, body := range []string{question, strings.TrimSuffix(question, "}") + `,"stream":true}`} {
			a := s.open("POST", "/v1/completions", body)
			data, err := io.ReadAll(a.Body)
			a.Body.Close()
			if err != nil || a.StatusCode != 200 || a.Proto != protocol {
				t.Errorf("%s: %v, %d over %s: %s", protocol, err, a.StatusCode, a.Proto, data)
			}
			texts = append(texts, textOf(t, string(data)))
		}
		s.client.CloseIdleConnections()
	}
	for _, text := range texts {
		if text == "" || text != texts[0] {
			t.Errorf("the answers are %q", texts)
		}
	}
	old := &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS11}
	if c, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), old); err == nil {
		c.Close()
		t.Error("it speaks TLS 1.1")
	}
	s.url, s.client.Transport = "http"+strings.TrimPrefix(s.url, "https"), nil
	if status, _, body := s.ask("GET", "/health", ""); status != 400 {
		t.Errorf("without TLS: %d %s", status, body)
	}
}

// writeCertificate makes a certificate of this machine, which is its own root.
func writeCertificate(t *testing.T, cert, key string) *x509.CertPool {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	public, err := x509.CreateCertificate(rand.Reader, of, of, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: public}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(public)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	return pool
}

// textOf is the text of an answer, whole or streamed.
func textOf(t *testing.T, answer string) (text string) {
	t.Helper()
	for line := range strings.Lines(answer) {
		data := strings.TrimPrefix(line, "data: ")
		if !strings.HasPrefix(data, "{") {
			continue
		}
		var doc struct{ Choices []struct{ Text string } }
		if err := json.Unmarshal([]byte(data), &doc); err != nil {
			t.Fatalf("%v: %s", err, data)
		}
		for _, c := range doc.Choices {
			text += c.Text
		}
	}
	return text
}
