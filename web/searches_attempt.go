package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"bankai/internal/durable"
)

// attempt is one run of the program for a search, as the folder of the search keeps it: whoever
// finds the folder later can tell a search that was stopped from one that died.
type attempt struct {
	Over   bool   `json:"over"`   // somebody saw it end
	Asked  bool   `json:"asked"`  // somebody asked for its end
	Status int    `json:"status"` // of the exit
	Signal string `json:"signal,omitempty"`
}

// attemptOf is how a program ended, by what waiting for it returned.
func attemptOf(err error, asked bool) attempt {
	a := attempt{Over: true, Asked: asked}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		if a.Status = exit.ExitCode(); a.Status < 0 {
			a.Signal = strings.TrimPrefix(exit.String(), "signal: ")
		}
	} else if err != nil {
		a.Status = -1
	}
	return a
}

// died says how the program ended, if it did not end as it should; "" if it did, or was told
// to end. There is a journal to go on with, or there is none.
func (a *attempt) died(journal bool) string {
	goOn := "nothing had been tried yet: start it again"
	if journal {
		goOn = "what it had tried is in its journal, and it can go on from there"
	}
	switch {
	case !a.Over:
		return "it ended while no server looked, and did not say why; " + goOn
	case a.Signal != "":
		return fmt.Sprintf("the program was ended from outside (%s), as by a system that has no memory left; %s", a.Signal, goOn)
	case a.Status != 0:
		return fmt.Sprintf("the program ended with exit status %d, and did not say why, as it cannot on a full disk: look whether there is room; %s", a.Status, goOn)
	}
	return ""
}

// note keeps an attempt in the folder.
func (r *searchRun) note(a attempt) error {
	r.attempt = &a
	return r.writeJSON(attemptFile, a)
}

// readAttempt reads what the folder has about the last attempt, if no server is at it. r.mu is
// held.
func (r *searchRun) readAttempt() {
	if r.attempt != nil && r.attempt.Over || r.process != nil {
		return
	}
	data, err := os.ReadFile(r.file(attemptFile))
	a := &attempt{}
	if err == nil && json.Unmarshal(data, a) == nil {
		r.attempt = a
	}
}

// writeJSON makes a file of the folder as a whole, or leaves it as it was.
func (r *searchRun) writeJSON(name string, doc any) error {
	data, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return writePrivate(r.file(name), data)
}

// writePrivate writes a file that nobody else may read, as a whole or not at all.
func writePrivate(path string, data []byte) error {
	out := durable.Output{Path: path, Private: true, Force: true}
	out.Adopt() // the older one is not kept beside
	return out.Write(context.Background(), func(f durable.File) error {
		_, err := f.Write(data)
		return err
	})
}
