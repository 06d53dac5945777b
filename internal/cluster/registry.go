package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"bankai"
	"bankai/internal/program"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// WorkerInfo is what a worker says of itself, to whoever asks.
type WorkerInfo struct {
	ID      string        `json:"id"`
	Name    string        `json:"name"`
	Program string        `json:"program"`
	Cores   int           `json:"cores"`
	Kernel  string        `json:"kernel,omitempty"` // "" before it has a model
	Started time.Time     `json:"started"`
	Model   bankai.Digest `json:"model,omitzero"`    // of the session that it computes for, or did last
	Session string        `json:"session,omitempty"` // its name
	Doing   string        `json:"doing,omitempty"`   // "": it waits for work
	Since   time.Time     `json:"since"`             // of Doing, or of waiting
	Units   int64         `json:"units"`             // done since it started
	Tokens  int64         `json:"tokens"`            // computed since it started
	Speed   float64       `json:"speed"`             // tokens a second, in the last ten seconds or so of computing
}

// serviceName is how workers are found by the service API of NATS.
const serviceName = "bankai-worker"

// register lets the worker be found: it answers the service API of NATS, with its
// [WorkerInfo] as the data of its endpoint.
func (r *runner) register() error {
	service, err := micro.AddService(r.conn.nc, micro.Config{
		Name: serviceName, Version: program.Version, Description: "computes for sessions of bankai",
		Endpoint: &micro.EndpointConfig{
			Subject: "bankai.worker." + r.id, QueueGroupDisabled: true,
			Handler: micro.HandlerFunc(func(q micro.Request) { q.RespondJSON(r.info()) }),
		},
		StatsHandler: func(*micro.Endpoint) any { return r.info() },
	})
	if err != nil {
		return fmt.Errorf("the NATS server at %s: %w", r.conn.url, err)
	}
	r.ends = append(r.ends, func() { service.Stop() })
	return nil
}

// info is what this worker says of itself.
func (r *runner) info() WorkerInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := WorkerInfo{
		ID: r.id, Name: r.name, Program: programName(), Cores: r.machine(nil).Cores, Kernel: r.kernel, Started: r.started,
		Model: r.now.session.Model, Doing: cmp.Or(r.now.doing, r.fetching), Since: r.now.since,
		Units: r.now.units, Tokens: r.now.tokens, Speed: r.now.speed,
	}
	if r.now.session.ID != "" {
		i.Session = sessionName(r.now.session)
	}
	if i.Since.IsZero() {
		i.Since = r.started
	}
	return i
}

const (
	firstAnswer = 2 * time.Second        // how long the first worker may take to answer
	nextAnswer  = 300 * time.Millisecond // and each one behind another
)

// Workers asks all workers on a server what they do, and returns what they answer, by
// name.
func Workers(ctx context.Context, c *Conn) ([]WorkerInfo, error) {
	sub, err := c.nc.SubscribeSync(c.nc.NewInbox())
	if err != nil {
		return nil, fmt.Errorf("the NATS server at %s: %w", c.url, err)
	}
	defer sub.Unsubscribe()
	if err := c.nc.PublishRequest("$SRV.STATS."+serviceName, sub.Subject, nil); err != nil {
		return nil, fmt.Errorf("the NATS server at %s: %w", c.url, err)
	}
	var list []WorkerInfo
	for patience := firstAnswer; ; patience = nextAnswer {
		m, err := next(ctx, sub, patience)
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			break // nobody else
		}
		var stats micro.Stats
		if json.Unmarshal(m.Data, &stats) != nil {
			continue // none of ours
		}
		for _, e := range stats.Endpoints {
			if i, err := decode[WorkerInfo]("a worker's statistics", e.Data); err == nil && i.ID != "" && i.Cores >= 0 && i.Units >= 0 && i.Tokens >= 0 && i.Speed >= 0 {
				i.Name, i.Program, i.Kernel, i.Session, i.Doing = forPeople(i.Name), forPeople(i.Program), forPeople(i.Kernel), forPeople(i.Session), forPeople(i.Doing)
				list = append(list, i)
			}
		}
	}
	slices.SortFunc(list, func(a, b WorkerInfo) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return list, nil
}

// next is the next message, if it comes in time.
func next(ctx context.Context, sub *nats.Subscription, patience time.Duration) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m, err := sub.NextMsgWithContext(ctx)
	return m, err
}
