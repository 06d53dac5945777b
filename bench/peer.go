package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
)

// peerName is the other engine, as the table calls it, and peerVersion where it
// comes from.
const (
	peerName    = "llama.cpp"
	peerVersion = peerPackage + " " + peerRelease

	peerPackage = "node-llama-cpp"
	peerRelease = "3.22.1"
)

// peerBinaries are the packages with llama.cpp's prebuilt libraries that are used
// on the CPU. node-llama-cpp would fetch those for GPUs too, half a gigabyte.
var peerBinaries = map[string]string{
	"linux/amd64": "linux-x64", "linux/arm64": "linux-arm64",
	"darwin/amd64": "mac-x64", "darwin/arm64": "mac-arm64-metal",
	"windows/amd64": "win-x64", "windows/arm64": "win-arm64",
}

//go:embed peer.mjs
var peerProgram []byte

//go:embed peer_users.mjs
var peerUsersProgram []byte

// peer is an installed llama.cpp.
type peer struct {
	node    string
	program string // for run
	users   string // for crowd
}

// installPeer installs llama.cpp in a folder of dir, with npm and the network,
// unless it is there already.
func installPeer(ctx context.Context, dir string) (*peer, error) {
	node, err := exec.LookPath("node")
	if err != nil {
		return nil, err
	}
	folder := filepath.Join(dir, peerPackage+"-"+peerRelease)
	if _, err := os.Stat(folder); os.IsNotExist(err) {
		if err := npmInstall(ctx, folder); err != nil {
			return nil, err
		}
	}
	p := &peer{node, filepath.Join(folder, "peer.mjs"), filepath.Join(folder, "peer_users.mjs")}
	return p, errors.Join(os.WriteFile(p.program, peerProgram, 0o666), os.WriteFile(p.users, peerUsersProgram, 0o666))
}

// npmInstall makes a folder with node-llama-cpp in it, whole or not at all.
func npmInstall(ctx context.Context, folder string) error {
	platform := runtime.GOOS + "/" + runtime.GOARCH
	binary, ok := peerBinaries[platform]
	if !ok {
		return fmt.Errorf("%s has no library for %s", peerPackage, platform)
	}
	progress("installing %s with npm", peerVersion)
	part := folder + ".part"
	if err := errors.Join(os.RemoveAll(part), os.Mkdir(part, 0o777)); err != nil {
		return err
	}
	// --prefix, or npm may settle in another project's folder above this one.
	cmd := exec.CommandContext(ctx, "npm", "install", "--prefix", part, "--ignore-scripts", "--omit=optional",
		"--no-audit", "--no-fund", "--fetch-retries=1",
		peerPackage+"@"+peerRelease, "@"+peerPackage+"/"+binary+"@"+peerRelease)
	if out, err := cmd.CombinedOutput(); err != nil {
		os.RemoveAll(part)
		return fmt.Errorf("npm install: %w\n%s", err, out)
	}
	return os.Rename(part, folder)
}

// run times a prompt and what is generated after it, once.
func (p *peer) run(ctx context.Context, path string, threads int) (run, error) {
	out, err := runJSON(exec.CommandContext(ctx, p.node, p.program, path,
		strconv.Itoa(promptTokens), strconv.Itoa(generatedTokens), strconv.Itoa(threads)))
	out.Engine = peerName
	return out, err
}

// crowd answers users who come at once, without a server: their sequences run in one
// batch of the library.
func (p *peer) crowd(ctx context.Context, path string, threads int, l load) (c crowd, err error) {
	text, err := output(exec.CommandContext(ctx, p.node, p.users, path,
		strconv.Itoa(l.users), strconv.Itoa(l.prompt), strconv.Itoa(l.tokens), strconv.Itoa(threads)))
	if err != nil {
		return c, err
	}
	var doc struct {
		Seconds float64   `json:"seconds"`
		First   []float64 `json:"first_s"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return c, fmt.Errorf("%s: %w", p.users, err)
	}
	if doc.Seconds <= 0 || len(doc.First) != l.users {
		return c, fmt.Errorf("%s: no times of %d users in %s", p.users, l.users, text)
	}
	return crowd{doc.Seconds, doc.First}, nil
}
