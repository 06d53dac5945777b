package cluster

import (
	"context"
	"time"

	"bankai"
)

// WorkerInfo is what a worker says of itself, to whoever asks.
type WorkerInfo struct {
	ID      string        `json:"id"`
	Name    string        `json:"name"`
	Program string        `json:"program"`
	Cores   int           `json:"cores"`
	Kernel  string        `json:"kernel"`
	Started time.Time     `json:"started"`
	Model   bankai.Digest `json:"model,omitzero"`    // of the session that it computes for
	Session string        `json:"session,omitempty"` // its name
	Doing   string        `json:"doing,omitempty"`   // "": it waits for work
	Since   time.Time     `json:"since,omitzero"`    // of Doing
	Units   int64         `json:"units"`             // done since it started
	Tokens  int64         `json:"tokens"`            // computed since it started
	Speed   float64       `json:"speed"`             // tokens a second of late, while computing
}

// Workers asks all workers on a server what they do, and returns what they answer, by
// name.
func Workers(ctx context.Context, c *Conn) ([]WorkerInfo, error) { panic("skeleton") }
