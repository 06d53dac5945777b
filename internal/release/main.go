// Command release builds what is published: an archive of the program for every
// platform with its manual pages, their checksums, and a list of what is in them. Run
// it as "make release".
//
// Equal sources and an equal Go give equal archives to the bit: paths are trimmed, and
// all times are that of SOURCE_DATE_EPOCH, or else of the commit.
package main

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// platform is a system and an architecture, in Go's words.
type platform struct{ system, arch string }

var platforms = []platform{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"},
}

// documents go into every archive beside the program.
var documents = []string{"README.md", "LICENSE", "FORMAT.md", "CHANGELOG.md"}

func main() {
	out := flag.String("out", "dist", "the folder to write to, which is made anew")
	flag.Parse()
	if err := release(*out); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func release(out string) error {
	when, err := sourceTime()
	if err != nil {
		return err
	}
	if err := errors.Join(os.RemoveAll(out), os.MkdirAll(out, 0o777)); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "bankai-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := buildEngine(); err != nil {
		return fmt.Errorf("the engine for browsers: %w", err)
	}
	own := filepath.Join(work, "own", "bankai")
	if err := build(own, platform{runtime.GOOS, runtime.GOARCH}); err != nil {
		return err
	}
	version, err := versionOf(own)
	if err != nil {
		return err
	}
	pages, err := manual(own, version, when)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, p := range platforms {
		name, err := pack(out, work, p, version, when, pages)
		if err != nil {
			return fmt.Errorf("%s/%s: %w", p.system, p.arch, err)
		}
		if err := addSum(&sums, out, name); err != nil {
			return err
		}
		fmt.Println(filepath.Join(out, name))
	}
	bom := "bankai_" + version + ".cdx.json"
	if err := writeBOM(filepath.Join(out, bom), own, version, when); err != nil {
		return err
	}
	if err := addSum(&sums, out, bom); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "SHA256SUMS"), []byte(sums.String()), 0o666); err != nil {
		return err
	}
	return smoke(out, work, version)
}

// sourceTime is the time that everything in the archives has.
func sourceTime() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		commit, err := exec.Command("git", "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("the time of the commit: %w; set SOURCE_DATE_EPOCH outside a clone", err)
		}
		text = strings.TrimSpace(string(commit))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH %q: want seconds since 1970", text)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// buildEngine makes the engine for browsers, which is a part of every program.
func buildEngine() error {
	cmd := exec.Command("go", "generate", "./web/try")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// build makes the program for a platform.
func build(path string, p platform) error {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w -buildid=", "-o", path, "./cmd/bankai")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+p.system, "GOARCH="+p.arch, "GOFLAGS=")
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

// pack builds and packs the program for a platform, and returns the archive's name.
func pack(out, work string, p platform, version string, when time.Time, pages []file) (string, error) {
	program := "bankai"
	if p.system == "windows" {
		program += ".exe"
	}
	path := filepath.Join(work, p.system+"_"+p.arch, program)
	if err := build(path, p); err != nil {
		return "", err
	}
	folder := fmt.Sprintf("bankai_%s_%s_%s", version, p.system, p.arch)
	var files []file
	for _, source := range append([]string{path}, documents...) {
		content, err := os.ReadFile(source)
		if err != nil {
			return "", err
		}
		files = append(files, file{filepath.Base(source), content, source == path})
	}
	if p.system == "windows" {
		return folder + ".zip", writeZip(filepath.Join(out, folder+".zip"), folder, files, when)
	}
	return folder + ".tar.gz", writeTar(filepath.Join(out, folder+".tar.gz"), folder, append(files, pages...), when)
}

// addSum adds a file's checksum as sha256sum -c reads it.
func addSum(sums *strings.Builder, dir, name string) error {
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	fmt.Fprintf(sums, "%x  %s\n", sha256.Sum256(content), name)
	return nil
}

// smoke unpacks the archive for this machine into an empty folder and runs what is in
// it.
func smoke(out, work, version string) error {
	folder := fmt.Sprintf("bankai_%s_%s_%s", version, runtime.GOOS, runtime.GOARCH)
	archive, err := filepath.Abs(filepath.Join(out, folder+".tar.gz"))
	if err != nil {
		return err
	}
	if _, err := os.Stat(archive); err != nil {
		fmt.Printf("no archive for %s/%s was tried here\n", runtime.GOOS, runtime.GOARCH)
		return nil
	}
	dir := filepath.Join(work, "smoke")
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	run := func(name string, args ...string) error {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = []string{"HOME=" + dir}
		text, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, text)
		}
		return nil
	}
	tar, err := exec.LookPath("tar")
	if err != nil {
		return err
	}
	program := filepath.Join(dir, folder, "bankai")
	for _, args := range [][]string{
		{tar, "xzf", archive},
		{program, "version"},
		{program, "eval", "--probes", "demo:control_few"},
		{program, "help", "search"},
		{program, "web", "export", "site"},
	} {
		if err := run(args[0], args[1:]...); err != nil {
			return err
		}
	}
	fmt.Printf("%s.tar.gz was unpacked and works\n", folder)
	return nil
}
