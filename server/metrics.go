package server

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"bankai/engine"
)

// maxLabels bounds how many patch sets have figures of their own: clients can ask for any
// number of sets, but must not fill the memory, here or where the figures are gathered.
const maxLabels = 100

// meters count what the server does, for Prometheus and what reads its format.
type meters struct {
	set      *metrics.Set
	overlays *metrics.PrometheusHistogram

	mu     sync.Mutex
	labels map[string]bool
}

func newMeters(s *Server) *meters {
	m := &meters{set: metrics.NewSet(), labels: map[string]bool{}}
	m.overlays = m.set.NewPrometheusHistogramExt("bankai_overlay_seconds", []float64{1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2, 0.1})
	m.set.NewGauge("bankai_patches", func() float64 {
		if l := s.current.Load(); l != nil {
			return float64(len(l.patches.all()))
		}
		return 0
	})
	loop := func(name string, of func(engine.LoopStats) int64) {
		m.set.NewGauge(name, func() float64 {
			if l := s.current.Load(); l != nil {
				return float64(of(l.loop.Stats()))
			}
			return 0
		})
	}
	loop("bankai_running_sequences", func(s engine.LoopStats) int64 { return int64(s.Running) })
	loop("bankai_waiting_sequences", func(s engine.LoopStats) int64 { return int64(s.Waiting) })
	loop("bankai_waiting_tokens", func(s engine.LoopStats) int64 { return int64(s.WaitingTokens) })
	loop("bankai_kept_sequences", func(s engine.LoopStats) int64 { return int64(s.Kept) })
	loop("bankai_kv_bytes", func(s engine.LoopStats) int64 { return s.Memory.Used })
	loop("bankai_kv_promised_bytes", func(s engine.LoopStats) int64 { return s.Promised })
	m.set.NewGauge("bankai_ready", func() float64 {
		if _, err := s.model(); err != nil {
			return 0
		}
		return 1
	})
	return m
}

// overlay notes what it took to prepare a patch set.
func (m *meters) overlay(took time.Duration) { m.overlays.Update(took.Seconds()) }

// label is the value that stands for a patch set: its names, as long as there are few.
// Patches that came inside requests count together.
func (m *meters) label(s *patchSet) string {
	if s == nil {
		return ""
	}
	for _, p := range s.patches {
		if p.Name == "" {
			return "inline"
		}
	}
	label := s.label()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.labels[label] && len(m.labels) >= maxLabels {
		return "others"
	}
	m.labels[label] = true
	return label
}

// count adds up a request that has its answer.
func (m *meters) count(x *exchange) {
	m.set.GetOrCreateCounter(fmt.Sprintf(`bankai_requests_total{api=%q,status=%q}`, x.api, strconv.Itoa(x.w.status))).Inc()
	if x.sets == nil {
		return
	}
	for i, set := range x.sets {
		used, label := usage{}, m.label(set)
		if x.used != nil {
			used = x.used[i]
		}
		add := func(name string, n int) {
			m.set.GetOrCreateCounter(fmt.Sprintf(`%s{patches=%q}`, name, label)).Add(n)
		}
		add("bankai_prompt_tokens_total", used.prompt)
		add("bankai_cached_tokens_total", used.cached)
		add("bankai_generated_tokens_total", used.generated)
	}
	m.set.GetOrCreatePrometheusHistogram(fmt.Sprintf(`bankai_request_seconds{api=%q}`, x.api)).Update(time.Since(x.began).Seconds())
	if x.first > 0 {
		m.set.GetOrCreatePrometheusHistogram(fmt.Sprintf(`bankai_first_token_seconds{api=%q}`, x.api)).Update(x.first.Seconds())
	}
}

// metrics answers GET /metrics.
func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	s.meters.set.WritePrometheus(w)
}
