package web

import (
	"bytes"
	"encoding/json"

	"bankai"
	"bankai/models/demo"
	"bankai/server"
)

// example is a patch that comes with the program, for the model that does.
type example struct {
	Name   string        `json:"name"`
	File   string        `json:"file"`   // where it is, relative to the page
	Base   bankai.Digest `json:"base"`   // the model that it is for
	Digest string        `json:"digest"` // of what it flips, as the server tells it
}

// addExamples adds the built-in model's patches to the files of the page, and a list of them:
// whoever has that model can try one without making it first.
func addExamples(add func(at string, content []byte)) {
	list := []example{}
	for _, embedded := range demo.Patches() {
		p, err := bankai.Read(bytes.NewReader(embedded.Data))
		if err != nil {
			panic("the built-in patch " + embedded.Name + ": " + err.Error()) // it is part of the program
		}
		file := "page/examples/" + embedded.Name + ".bankai"
		add("/"+file, embedded.Data)
		list = append(list, example{embedded.Name, file, p.Base(), "sha256:" + p.ContentDigest().String()})
	}
	doc, err := json.Marshal(list)
	if err != nil {
		panic(err)
	}
	add(server.PagePath+"examples.json", doc)
}
