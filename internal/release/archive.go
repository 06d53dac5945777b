package main

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"os"
	"path"
	"time"
)

// file is one of an archive.
type file struct {
	name    string // below the archive's folder
	content []byte
	program bool // it can be run
}

func (f file) mode() int64 {
	if f.program {
		return 0o755
	}
	return 0o644
}

// writeTar writes files as a compressed tape archive: of root, all of one time.
func writeTar(name, folder string, files []file, when time.Time) error {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	packed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return errors.Join(err, out.Close())
	}
	w := tar.NewWriter(packed)
	for _, f := range files {
		err = w.WriteHeader(&tar.Header{
			Name: path.Join(folder, f.name), Size: int64(len(f.content)), Mode: f.mode(), ModTime: when, Format: tar.FormatUSTAR,
		})
		if err == nil {
			_, err = w.Write(f.content)
		}
		if err != nil {
			break
		}
	}
	return errors.Join(err, w.Close(), packed.Close(), out.Close())
}

// writeZip writes files as a ZIP archive, all of one time.
func writeZip(name, folder string, files []file, when time.Time) error {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	w := zip.NewWriter(out)
	for _, f := range files {
		head := &zip.FileHeader{Name: path.Join(folder, f.name), Method: zip.Deflate, Modified: when}
		head.SetMode(os.FileMode(f.mode()))
		to, err := w.CreateHeader(head)
		if err == nil {
			_, err = to.Write(f.content)
		}
		if err != nil {
			return errors.Join(err, out.Close())
		}
	}
	return errors.Join(w.Close(), out.Close())
}
