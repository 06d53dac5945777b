package cluster

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"bankai"
	"bankai/engine"
	"bankai/internal/text"
)

// models are those that a worker has open for its sessions. Sessions on the same model
// share it, and it is closed when the last of them has ended: its memory is for others.
type models struct {
	open   func(ctx context.Context, need Need) (*engine.Model, error)
	runner *runner

	loading sync.Mutex // one is opened at a time
	mu      sync.Mutex
	opened  map[modelKey]*openModel
}

type modelKey struct {
	model, settings bankai.Digest
	precision       string
}

// openModel is a model with its trial.
type openModel struct {
	*engine.Model
	key   modelKey
	trial bankai.Digest
	users int // sessions
}

// get is the model of a session, to be given back by put. The error says what the worker
// lacks.
func (s *models) get(ctx context.Context, record sessionRecord) (*openModel, error) {
	if record.Version != wireVersion {
		return nil, fmt.Errorf("it speaks version %d of the protocol, the session version %d: let both run the same bankai (%s there, %s here)",
			wireVersion, record.Version, programName(), forPeople(record.Program))
	}
	key := modelKey{record.Model, record.Settings, record.Precision}
	s.loading.Lock()
	defer s.loading.Unlock()
	s.mu.Lock()
	m := s.opened[key]
	if m != nil {
		m.users++
	}
	s.mu.Unlock()
	if m != nil {
		return m, nil
	}
	m, err := s.load(ctx, record)
	if err != nil {
		return nil, err
	}
	m.key, m.users = key, 1
	s.mu.Lock()
	s.opened[key] = m
	s.mu.Unlock()
	return m, nil
}

// count is how many are open.
func (s *models) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.opened)
}

// put gives a model back.
func (s *models) put(m *openModel) {
	s.mu.Lock()
	m.users--
	last := m.users == 0
	if last {
		delete(s.opened, m.key)
	}
	s.mu.Unlock()
	if last {
		m.Close()
	}
}

// load opens the model of a session and tries it.
func (s *models) load(ctx context.Context, record sessionRecord) (*openModel, error) {
	precision, err := engine.ParsePrecision(record.Precision)
	if err != nil {
		return nil, err
	}
	need := Need{Model: record.Model, Settings: record.Settings, Precision: precision}
	m, err := s.tryOpen(ctx, record, need)
	if m != nil || err != nil {
		return m, err
	}
	if need.File, err = s.fetch(ctx, record); err != nil {
		return nil, err
	}
	m, err = s.tryOpen(ctx, record, need)
	if m == nil && err == nil {
		err = errors.New("it has no model with this digest")
	}
	return m, err
}

// tryOpen opens a model, if the worker has it, and tries it.
func (s *models) tryOpen(ctx context.Context, record sessionRecord, need Need) (*openModel, error) {
	release, err := s.runner.turn(ctx, record, "opens the model")
	if err != nil {
		return nil, err
	}
	defer release(0, 0)
	m, err := s.open(ctx, need)
	if m == nil || err != nil {
		return nil, err
	}
	trial, err := Trial(ctx, m)
	if err != nil {
		m.Close()
		return nil, err
	}
	s.runner.mu.Lock()
	s.runner.kernel = m.Kernel()
	s.runner.mu.Unlock()
	return &openModel{Model: m, trial: trial}, nil
}

// fetch gets the model's file, if the session offers it.
func (s *models) fetch(ctx context.Context, record sessionRecord) (path string, err error) {
	if record.File == nil {
		return "", fmt.Errorf("it does not have the model %s, and the session offers no file of it, as of a folder, a split or the built-in model: give the worker a copy with --model", short(record.Model.String()))
	}
	if record.File.Size < 0 {
		return "", fmt.Errorf("the session offers a file of %d bytes", record.File.Size)
	}
	name := forPeople(record.File.Name)
	s.runner.log("%s: fetches the model %s (%s)", sessionName(record), name, text.Size(record.File.Size))
	defer s.runner.fetches("")
	reply, err := s.ask(ctx, record)
	if err != nil {
		return "", err
	}
	ext := filepath.Ext(record.File.Name)
	if !fileExtension.MatchString(ext) {
		ext = ""
	}
	info, err := s.runner.objects.info(ctx, reply.Digest)
	if err != nil {
		return "", fmt.Errorf("the model's file: %w", err)
	}
	if info.Size != uint64(record.File.Size) {
		return "", fmt.Errorf("the model's file: the session says that it has %d bytes, and there are %d: it is not fetched", record.File.Size, info.Size)
	}
	path, err = s.runner.objects.File(ctx, reply.Digest, ext, func(done, total int64) {
		s.runner.fetches("fetches the model, " + text.Percent(float64(done), float64(total)))
	})
	if err != nil {
		return "", fmt.Errorf("the model's file: %w", err)
	}
	return path, nil
}

// ask waits until the coordinator has put the model's file.
func (s *models) ask(ctx context.Context, record sessionRecord) (fileReply, error) {
	conn := s.runner.conn
	for {
		asked, cancel := context.WithTimeout(ctx, conn.timing.Reply)
		m, err := conn.nc.RequestWithContext(asked, fileSubject(record.ID), nil)
		cancel()
		if err == nil {
			reply, err := decode[fileReply]("the coordinator's answer", m.Data)
			switch {
			case err != nil:
				return reply, err
			case reply.Error != "":
				return reply, fmt.Errorf("the model's file: %s", reasonForPeople(reply.Error))
			case !reply.Digest.IsZero():
				return reply, nil
			}
			s.runner.fetches("waits for the model, " + text.Percent(float64(reply.Done), float64(record.File.Size)))
		}
		if err := sleep(ctx, conn.timing.Beat); err != nil {
			return fileReply{}, err
		}
	}
}
