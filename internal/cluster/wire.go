package cluster

import (
	"encoding/json"
	"fmt"
	"time"

	"bankai"
	"bankai/internal/cluster/desk"
)

// wireVersion changes whenever programs of before could misread what is sent now.
// Workers and coordinators of different versions do not work together.
const wireVersion = 1

// maxMessage bounds what is sent in one message, in bytes: a NATS server takes 1 MiB
// unless it is told otherwise, its headers included.
const maxMessage = 512 << 10

// A unit of questions or requests, and its answers, go in one message each.
const _ = uint(maxMessage - desk.MaxBytes)

// Subjects. Ids of sessions are NUIDs, those of workers look like them: 22 letters and
// digits, which no other word of a subject is.
const (
	// whoSubject is where a worker that has just come asks which sessions there are.
	// Every coordinator answers with its record.
	whoSubject = "bankai.sessions"
	// announcements are the records that every coordinator repeats.
	announcements = "bankai.session.*"
	// endings are of sessions that have come to their end.
	endings = "bankai.ended.*"
)

func announceSubject(session string) string { return "bankai.session." + session }
func endedSubject(session string) string    { return "bankai.ended." + session }
func helloSubject(session string) string    { return "bankai." + session + ".hello" }
func fileSubject(session string) string     { return "bankai." + session + ".file" }

// beatSubject, byeSubject and outSubject take "*" for the worker to mean all.
func beatSubject(session, worker string) string { return "bankai." + session + ".beat." + worker }
func byeSubject(session, worker string) string  { return "bankai." + session + ".bye." + worker }
func outSubject(session, worker string) string  { return "bankai." + session + ".out." + worker }

// blockSubject is where a worker takes what is to be measured on one block of
// questions; "*" for the block means all of its.
func blockSubject(session, worker, block string) string {
	return "bankai." + session + "." + worker + "." + block
}

// requirements are what decides the bits that a machine computes. A worker's must be
// those of the session.
type requirements struct {
	Version   int           `json:"version"`   // wireVersion
	Program   string        `json:"program"`   // for people: name, version and commit
	Model     bankai.Digest `json:"model"`     // of the tensors
	Settings  bankai.Digest `json:"settings"`  // fingerprint of the model's arithmetic
	Precision string        `json:"precision"` // of the 1-bit products
	Trial     bankai.Digest `json:"trial"`     // see [Trial]
}

// sessionRecord is how a coordinator announces its session, as JSON.
type sessionRecord struct {
	requirements
	ID   string       `json:"id"`
	Name string       `json:"name"` // for people: who asks, and for what
	File *offeredFile `json:"model_file,omitempty"`
}

// offeredFile is a model's file that workers without the model may have.
type offeredFile struct {
	Name string `json:"name"` // without folders; for people and for its extension
	Size int64  `json:"size"` // bytes
}

// fileReply answers a worker that asks for the offered file: when it is in the object
// store, its digest; until then how far it is.
type fileReply struct {
	Digest bankai.Digest `json:"sha256,omitzero"`
	Done   int64         `json:"done,omitempty"` // bytes of offeredFile.Size
	Error  string        `json:"error,omitempty"`
}

// hello is how a worker asks to be taken into a session. It is sealed, as all that a worker
// says: see [identity].
type hello struct {
	requirements
	machine
	// Lacks is why the worker has no such model, for people; then the requirements are
	// empty but for the version and the program.
	Lacks string `json:"lacks,omitempty"`
}

// machine is what people are told of a worker.
type machine struct {
	Name   string `json:"name"`
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"` // name of the kernel set
}

// helloReply lets a worker in, or says why not.
type helloReply struct {
	OK      bool   `json:"ok"`
	Refused string `json:"refused,omitempty"`
}

// beat is what a worker says of itself every [timing].Beat.
type beat struct {
	Doing  string  `json:"doing,omitempty"` // for people; "" if it waits
	Units  int64   `json:"units"`           // done in the session
	Tokens int64   `json:"tokens"`          // computed in the session
	Speed  float64 `json:"speed"`           // tokens a second of late, while computing
}

// outNotice tells a worker that it is no part of the session any more.
type outNotice struct {
	Why   string `json:"why"`
	Again bool   `json:"again,omitempty"` // it may ask to be taken in anew
}

// timing is how often who is heard of. All machines have the same; tests have shorter
// ones.
type timing struct {
	Beat     time.Duration // of a worker, to its sessions
	Lost     time.Duration // without a beat: a worker is taken for dead
	Announce time.Duration // of a session
	Gone     time.Duration // without an announcement: a session is taken for dead
	Reply    time.Duration // without an answer to a short request: it is asked again
	Lease    time.Duration // without a word from a worker: its unit or search goes to another
	Journal  time.Duration // between two looks whether the journal of a search has grown
}

var usualTiming = timing{
	Beat: time.Second, Lost: 5 * time.Second, Announce: time.Second, Gone: 15 * time.Second, Reply: 5 * time.Second,
	Lease: 30 * time.Second, Journal: 2 * time.Second,
}

// pauses notice that a process, or its machine, was stopped for a while: others did not
// fall silent then.
type pauses struct{ last time.Time }

// since is called more often than every half of a patience. It says whether the process
// was stopped for longer since the last call.
func (p *pauses) since(now time.Time, patience time.Duration) bool {
	stopped := !p.last.IsZero() && now.Sub(p.last) > patience/2
	p.last = now
	return stopped
}

// encode is for the types of this file, which JSON can always express.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// decode reads what encode wrote, or says which message makes no sense.
func decode[T any](what string, text []byte) (v T, err error) {
	if err := json.Unmarshal(text, &v); err != nil {
		return v, fmt.Errorf("%s makes no sense: %w", what, err)
	}
	return v, nil
}
