package try

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// counted is a sum of bytes with their number.
type counted struct {
	hash.Hash
	n int64
}

// Write adds bytes.
func (c *counted) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return c.Hash.Write(b)
}

// Earlier is the manifest of what was exported into a folder before, nil if nothing was.
func Earlier(dir string) *Manifest {
	data, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if err != nil {
		return nil
	}
	m := new(Manifest)
	if json.Unmarshal(data, m) != nil || m.Kind != Kind {
		return nil
	}
	return m
}

// Holds says what a file of the folder holds, and whether it is as it was exported. m is
// what Earlier returned.
func (m *Manifest) Holds(file string) (what string, exported bool) {
	if m == nil {
		return "", false
	}
	name := filepath.Base(file)
	if name == ManifestFile {
		return "the manifest of an export", true
	}
	at := slices.IndexFunc(m.Files, func(f File) bool { return f.Name == name })
	if at < 0 {
		return "", false
	}
	if sum, err := sumOf(file); err != nil || sum != m.Files[at].SHA256 {
		return "a file of an export that was changed since", false
	}
	return "a file of an export", true
}

// Stale are the files of an earlier export that a new one does not have and that are as
// they were exported.
func (m *Manifest) Stale(dir string, next *Manifest) (files []string) {
	if m == nil {
		return nil
	}
	for _, f := range m.Files {
		file := filepath.Join(dir, f.Name)
		has := slices.ContainsFunc(next.Files, func(n File) bool { return n.Name == f.Name })
		if filepath.Base(f.Name) != f.Name || has {
			continue
		}
		if _, exported := m.Holds(file); exported {
			files = append(files, file)
		}
	}
	return files
}

// sumOf is the SHA-256 of a file.
func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	return fmt.Sprintf("%x", sum.Sum(nil)), err
}
