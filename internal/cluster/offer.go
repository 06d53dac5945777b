package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// offer is a model's file that is put into the object store when the first worker asks
// for it.
type offer struct {
	ctx     context.Context
	objects *Objects
	path    string
	file    offeredFile
	log     func(format string, args ...any)
	running sync.WaitGroup

	mu      sync.Mutex
	ended   bool
	putting bool
	now     fileReply
}

// newOffer offers a file, of which nothing is read yet.
func newOffer(ctx context.Context, objects *Objects, path string, log func(format string, args ...any)) (*offer, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no file that workers could be given", path)
	}
	return &offer{ctx: ctx, objects: objects, path: path, log: log, file: offeredFile{Name: filepath.Base(path), Size: info.Size()}}, nil
}

// state is how far the file is. The first call begins to put it, as does the next one
// after an error, and one that finds that the server has it no more.
func (o *offer) state() fileReply {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := o.now
	if o.putting || o.ended {
		return now
	}
	if !now.Digest.IsZero() {
		if _, err := o.objects.info(o.ctx, now.Digest); err == nil {
			return now
		}
		now = fileReply{}
	}
	o.now, o.putting = fileReply{}, true
	o.running.Go(o.put)
	return now
}

func (o *offer) put() {
	reply := fileReply{}
	f, err := os.Open(o.path)
	if err == nil {
		defer f.Close()
		reply.Digest, err = o.objects.Put(o.ctx, o.file.Name, f, func(done int64) {
			o.mu.Lock()
			o.now.Done = done
			o.mu.Unlock()
		})
	}
	if err != nil {
		reply = fileReply{Error: "the coordinator cannot give it"}
		if o.ctx.Err() == nil {
			o.log("the model's file cannot be given to workers: %v", err)
		}
	}
	o.mu.Lock()
	o.now, o.putting = reply, false
	o.mu.Unlock()
}

// end returns when nothing is put any more. The context has ended by then.
func (o *offer) end() {
	o.mu.Lock()
	o.ended = true
	o.mu.Unlock()
	o.running.Wait()
}
