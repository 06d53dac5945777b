package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"bankai/engine"
)

// server is one that runs, of bankai or of llama.cpp: their completions are alike.
type server struct {
	url, model string
	cmd        *exec.Cmd
	http       http.Client
}

// base is the model's name for every user.
func (s *server) base(int) string { return s.model }

// start starts a server, which ready waits for.
func start(cmd *exec.Cmd, ready func(s *server, stdout *bufio.Reader) error) (*server, error) {
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	s := &server{cmd: cmd, http: http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100}}}
	if err := ready(s, bufio.NewReader(out)); err != nil {
		s.stop()
		return nil, fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, complaint.Bytes())
	}
	return s, nil
}

// startBankai starts `bankai serve` with its usual options, and memory for all users.
func startBankai(ctx context.Context, binary, path string, threads int) (*server, error) {
	cmd := exec.CommandContext(ctx, binary, "serve", "--model", path, "--threads", strconv.Itoa(threads),
		"--listen", "127.0.0.1:0", "--kv-memory", "4GB", "--json", "--quiet")
	cmd.Env = append(os.Environ(), "BANKAI_CONFIG="+filepath.Join(filepath.Dir(path), "none.toml"))
	return start(cmd, func(s *server, stdout *bufio.Reader) error {
		var doc struct{ Listening, Model string }
		err := json.NewDecoder(stdout).Decode(&doc)
		s.url, s.model = doc.Listening, doc.Model
		return err
	})
}

// startLlama starts llama.cpp's server with a slot for every user.
func startLlama(ctx context.Context, binary, path string, threads int, l load) (*server, error) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := free.Addr().String()
	free.Close()
	_, port, _ := net.SplitHostPort(address)
	slot := l.prompt + l.tokens + 16
	cmd := exec.CommandContext(ctx, binary, "--model", path, "--threads", strconv.Itoa(threads), "--threads-batch", strconv.Itoa(threads),
		"--host", "127.0.0.1", "--port", port, "--parallel", strconv.Itoa(l.users), "--ctx-size", strconv.Itoa(l.users*slot))
	cmd.Dir = filepath.Dir(binary) // where it looks for its libraries
	return start(cmd, func(s *server, stdout *bufio.Reader) error {
		go io.Copy(io.Discard, stdout)
		s.url, s.model = "http://"+address, "any"
		for range 600 {
			if a, err := s.http.Get(s.url + "/health"); err == nil {
				a.Body.Close()
				if a.StatusCode == http.StatusOK {
					return nil
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		return fmt.Errorf("is not ready after a minute")
	})
}

// stop ends the server.
func (s *server) stop() {
	s.http.CloseIdleConnections()
	s.cmd.Process.Kill()
	s.cmd.Wait()
}

// do asks and returns the answer, whose status must be one of success.
func (s *server) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/json")
	a, err := s.http.Do(q)
	if err == nil && a.StatusCode/100 != 2 {
		text, _ := io.ReadAll(a.Body)
		a.Body.Close()
		err = fmt.Errorf("%s %s: %s: %s", method, path, a.Status, text)
	}
	return a, err
}

// put sends a body, and returns how long that and the answer took.
func (s *server) put(ctx context.Context, path string, body []byte) (time.Duration, error) {
	began := time.Now()
	a, err := s.do(ctx, http.MethodPut, path, body)
	if err != nil {
		return 0, err
	}
	defer a.Body.Close()
	_, err = io.Copy(io.Discard, a.Body)
	return time.Since(began), err
}

// mean is the mean of a histogram of the server's metrics.
func (s *server) mean(ctx context.Context, histogram string) (float64, error) {
	a, err := s.do(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return 0, err
	}
	defer a.Body.Close()
	values := map[string]float64{}
	for lines := bufio.NewScanner(a.Body); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		values[name], _ = strconv.ParseFloat(value, 64)
	}
	if values[histogram+"_count"] == 0 {
		return 0, fmt.Errorf("/metrics has no %s", histogram)
	}
	return values[histogram+"_sum"] / values[histogram+"_count"], nil
}

// health asks for the server's health again and again, and returns how many seconds each
// answer took.
func (s *server) health(ctx context.Context) (seconds []float64) {
	for ctx.Err() == nil {
		began := time.Now()
		if a, err := s.do(ctx, http.MethodGet, "/health", nil); err == nil {
			io.Copy(io.Discard, a.Body)
			a.Body.Close()
			seconds = append(seconds, time.Since(began).Seconds())
		}
		time.Sleep(20 * time.Millisecond)
	}
	return seconds
}

// timed is when the tokens of a stream came.
type timed struct {
	began  time.Time
	at     []time.Time
	tokens int // as the server counts them, in the end
}

// first is how many seconds passed until the first one.
func (t timed) first() float64 {
	if len(t.at) == 0 {
		return 0
	}
	return t.at[0].Sub(t.began).Seconds()
}

// since is the part from a time on.
func (t timed) since(began time.Time) timed {
	for len(t.at) > 1 && t.at[1].Before(began) {
		t.at = t.at[1:]
	}
	return t
}

// longestGap is the most seconds between two tokens.
func (t timed) longestGap() (longest float64) {
	for i := 1; i < len(t.at); i++ {
		longest = max(longest, t.at[i].Sub(t.at[i-1]).Seconds())
	}
	return longest
}

// stream asks for a completion and reads it token by token; each, if it is not nil, is
// told how many there are.
func (s *server) stream(ctx context.Context, q engine.Request, model string, each func(tokens int)) (t timed, err error) {
	body, err := json.Marshal(map[string]any{
		"model": model, "prompt": q.Prompt, "max_tokens": q.Max, "stream": true,
		"temperature": q.Sampling.Temperature, "logit_bias": q.Sampling.Bias, "cache_prompt": false,
		"stream_options": map[string]bool{"include_usage": true},
	})
	if err != nil {
		return t, err
	}
	t.began = time.Now()
	a, err := s.do(ctx, http.MethodPost, "/v1/completions", body)
	if err != nil {
		return t, err
	}
	defer a.Body.Close()
	for lines := bufio.NewReader(a.Body); ; {
		line, err := lines.ReadSlice('\n')
		switch {
		case err == io.EOF:
			return t, nil
		case err != nil:
			return t, err
		case !bytes.HasPrefix(line, []byte("data: {")):
			continue
		}
		if bytes.Contains(line, []byte(`"completion_tokens"`)) {
			var doc struct {
				Usage struct {
					Tokens int `json:"completion_tokens"`
				}
			}
			if err := json.Unmarshal(line[len("data: "):], &doc); err != nil {
				return t, err
			}
			t.tokens = doc.Usage.Tokens
			continue
		}
		t.at = append(t.at, time.Now())
		if each != nil {
			each(len(t.at))
		}
	}
}

// crowd is how users who come at once were answered.
type crowd struct {
	seconds float64   // until the last token of the last one
	first   []float64 // seconds until the first token of each
}

// crowd answers requests all at once, each by the model of its user.
func (s *server) crowd(ctx context.Context, all []engine.Request, model func(int) string) (c crowd, err error) {
	s.http.CloseIdleConnections() // lest one is used that the server has just given up
	times, errs := make([]timed, len(all)), make([]error, len(all))
	began := time.Now()
	var users sync.WaitGroup
	for i, q := range all {
		users.Go(func() { times[i], errs[i] = s.stream(ctx, q, model(i), nil) })
	}
	users.Wait()
	c.seconds = time.Since(began).Seconds()
	for i, t := range times {
		if errs[i] == nil && t.tokens != all[i].Max {
			errs[i] = fmt.Errorf("a stream has %d tokens, not %d", t.tokens, all[i].Max)
		}
		if errs[i] != nil {
			return c, errs[i]
		}
		c.first = append(c.first, t.first())
	}
	return c, nil
}
