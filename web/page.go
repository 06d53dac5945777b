// Package web is the page that a server shows to people: what patches do, beside what the
// model says without them, and what they are made of. The page is plain HTML, CSS and
// modules of JavaScript that are part of the program. It asks for everything as any other
// client does, from the server that it came from and from nowhere else.
package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"time"

	"bankai/internal/look"
	"bankai/server"
)

//go:embed page
var embedded embed.FS

// policy allows the page its own files and nothing else. No text becomes markup or script:
// with trusted types the browser refuses the ways to do that.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// File is the content of a file of the page, for another page that has it, too.
func File(name string) ([]byte, error) { return embedded.ReadFile("page/" + name) }

// file is one of the page.
type file struct {
	content []byte
	kind    string // its Content-Type
	tag     string // its ETag
}

// Page serves the files of the page: / and what is below [server.PagePath].
func Page() http.Handler {
	files := map[string]file{}
	add := func(at string, content []byte) {
		sum := sha256.Sum256(content)
		files[at] = file{content, kindOf(at), fmt.Sprintf(`"%x"`, sum[:12])}
	}
	fs.WalkDir(embedded, "page", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := embedded.ReadFile(name)
		add("/"+name, content)
		return err
	})
	files["/"] = files["/page/index.html"]
	delete(files, "/page/index.html")
	add(server.PagePath+"look.css", []byte(look.Style))
	addExamples(add)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, there := files[r.URL.Path]
		if !there {
			http.Error(w, "the page has no file "+r.URL.Path, http.StatusNotFound)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Content-Type", f.kind)
		h.Set("ETag", f.tag)
		h.Set("Cache-Control", "no-cache") // but asked whether it is the same still
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.content))
	})
}

// kindOf is the type of a file. Systems have tables of their own, which may be wrong.
func kindOf(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".html":
		return "text/html; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".json":
		return "application/json"
	}
	if kind := mime.TypeByExtension(path.Ext(name)); kind != "" {
		return kind
	}
	return "application/octet-stream"
}
