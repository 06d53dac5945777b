package oci_test

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"

	"bankai"
	"bankai/store/oci"
)

// A patch goes into a layout on disk, and comes back. With a reference such as
// registry.example.com/team/fix:v1 it goes to a registry.
func Example() {
	dir, err := os.MkdirTemp("", "layout-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ref, err := oci.ParseRef("oci:" + dir + ":v1")
	if err != nil {
		log.Fatal(err)
	}

	var patch bytes.Buffer
	p := bankai.New(bankai.Digest{1}, bankai.Meta{Name: "fix"}, bankai.Flip{Tensor: "blk.0.ffn_gate.weight", Row: 3, N: 128})
	if _, err := p.WriteTo(&patch); err != nil {
		log.Fatal(err)
	}
	pushed, err := oci.Push(context.Background(), ref, oci.Artifact{Patch: patch.Bytes(), Card: []byte("# fix\n")}, oci.Options{})
	if err != nil {
		log.Fatal(err)
	}

	artifact, pulled, err := oci.Pull(context.Background(), pushed.Ref, oci.Options{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(pulled.Patch.Meta().Name, pulled.Patch.Len(), pulled.Digest == pushed.Digest)
	fmt.Printf("%s", artifact.Card)
	// Output:
	// fix 1 true
	// # fix
}
