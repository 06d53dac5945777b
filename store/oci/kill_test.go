package oci

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bankai"
	"bankai/store"
)

// childVariable has a process of this test do what a child does, and nothing else.
const childVariable = "BANKAI_OCI_CHILD"

// roundsVariable is how many children are killed.
const roundsVariable = "BANKAI_KILLS"

// killed is where children push to and pull from.
type killed struct {
	Folder, Tar, Registry string // references without tags
	Home                  string // of the library
	Seed                  uint32
}

// killedTags are the tags that children move.
var killedTags = []string{"v1", "v2", "v3"}

// killedArtifact is the artifact of a number: whoever has its patch can tell all that is
// attached.
func killedArtifact(t testing.TB, n uint32) Artifact {
	return Artifact{
		Patch: aPatch(t, n), Signatures: [][]byte{aSignature(fmt.Sprint(n))},
		Card: fmt.Appendf(nil, "# %d\n", n), Files: []File{{Report, "report.html", bytes.Repeat([]byte{byte('a' + n%26)}, 100_000)}},
	}
}

// child pushes, pulls and keeps patches until it is killed.
func child(as string) int {
	var k killed
	if err := json.Unmarshal([]byte(as), &k); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("begins")
	draw := rand.New(rand.NewPCG(uint64(k.Seed), 0))
	t := &testing.T{}
	for ctx := context.Background(); ; {
		places := []string{k.Folder, k.Tar, k.Registry}
		place, tag := places[draw.IntN(len(places))], killedTags[draw.IntN(len(killedTags))]
		at, err := ParseRef(place + ":" + tag)
		if err == nil {
			_, err = Push(ctx, at, killedArtifact(t, draw.Uint32N(50)), quick)
		}
		var a Artifact
		var got Pulled
		if err == nil {
			a, got, err = Pull(ctx, at, quick)
		}
		if err == nil {
			o := store.AddOptions{Source: at.String(), Move: true, Files: []store.Attachment{{Kind: store.Report, Name: "report.html", Data: a.Files[0].Data}}}
			_, err = store.Open(k.Home).Add(ctx, "fix", tag, got.Patch, o)
		}
		if err != nil {
			fmt.Println(err)
			return 1
		}
	}
}

// However often and whenever who pushes, pulls and keeps patches is killed: the layouts,
// the registry and the library can be read, everything in them has its digest, and what a
// tag means is there with all that was attached to it.
func TestKill(t *testing.T) {
	rounds := 60
	if n, err := strconv.Atoi(os.Getenv(roundsVariable)); err == nil {
		rounds = n
	}
	dir := t.TempDir()
	k := killed{
		Folder: "oci:" + filepath.Join(dir, "layout"), Tar: "oci:" + filepath.Join(dir, "layout.tar"),
		Registry: serveRegistry(t, true) + "/team/fix", Home: filepath.Join(dir, "home"),
	}
	draw := rand.New(rand.NewPCG(7, 7))
	for range rounds {
		k.Seed++
		killOne(t, k, time.Duration(draw.IntN(60_000))*time.Microsecond)
		for _, place := range []string{k.Folder, k.Tar, k.Registry} {
			for _, tag := range killedTags {
				checkKilled(t, place+":"+tag)
			}
		}
		checkBlobs(t, filepath.Join(dir, "layout"))
		faults, err := store.Open(k.Home).Check(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range faults {
			if f.Lost {
				t.Fatalf("the library lost %+v", f)
			}
		}
	}
	if all, err := store.Open(k.Home).List(); err != nil || len(all) == 0 {
		t.Errorf("no child came to anything: %v, %v", all, err)
	}
	for _, place := range []string{k.Folder, k.Tar, k.Registry} { // and all goes on
		if _, err := Push(context.Background(), ref(t, place+":v1"), killedArtifact(t, 99), quick); err != nil {
			t.Error(err)
		}
	}
}

// killOne starts a child and kills it after a while.
func killOne(t *testing.T, k killed, after time.Duration) {
	t.Helper()
	as, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(as))
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	begins := make([]byte, len("begins\n"))
	if _, err := said.Read(begins); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	cmd.Process.Kill()
	cmd.Wait()
	if cmd.ProcessState.Exited() {
		t.Fatalf("the child ended by itself, after %q", begins)
	}
}

// checkKilled wants a tag to mean nothing yet, or something whole.
func checkKilled(t *testing.T, place string) {
	t.Helper()
	a, got, err := Pull(context.Background(), ref(t, place), quick)
	if errors.Is(err, errNone) || errors.Is(err, errNoLayout) || errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if want := killedArtifact(t, got.Patch.Flips()[0].Row); !equal(a, want) {
		t.Fatalf("%s: has %d signatures and %d files, and a card of %d bytes", place, len(a.Signatures), len(a.Files), len(a.Card))
	}
}

// checkBlobs wants every blob of a layout to be what its name says.
func checkBlobs(t *testing.T, dir string) {
	t.Helper()
	blobs, _ := filepath.Glob(filepath.Join(dir, "blobs", "sha256", "*"))
	for _, path := range blobs {
		if strings.HasSuffix(path, ".tmp") {
			continue // of one that was killed: the next one removes it
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := hex.DecodeString(filepath.Base(path))
		if d, _ := sum(describe("", data)); err != nil || bankai.Digest(name) != d {
			t.Fatalf("%s holds something else, %v", path, err)
		}
	}
}
