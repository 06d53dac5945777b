package web

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"bankai"
	"bankai/internal/evaluation"
	"bankai/internal/source"
	"bankai/internal/text"
	"bankai/internal/watched"
	"bankai/server"
)

// evaluationRequest is what POST /api/evaluations takes.
type evaluationRequest struct {
	Probes string `json:"probes"` // a built-in set, as "demo:heldout"; or else
	Name   string `json:"name"`   // of a file of probes, whose ending tells its format,
	Data   string `json:"data"`   // and its content

	Patches []string `json:"patches"` // names or digests; none: the model as it is
	Limit   int      `json:"limit"`   // probes at most, with the categories in proportion; 0: all
}

// sampleSeed says which probes a limit takes: those that bankai eval takes, unless it is
// told otherwise.
const sampleSeed = 1

// maxName bounds the name of a file, in bytes.
const maxName = 200

// begin answers POST /api/evaluations.
func (e *evaluations) begin(x *server.Exchange) error {
	var q evaluationRequest
	if err := x.Read(&q); err != nil {
		return err
	}
	whole, err := q.set()
	if err != nil {
		return err
	}
	if q.Limit < 0 {
		return server.Refuse(http.StatusBadRequest, "limit", "invalid_limit", "limit is %d: give at least 1, or leave it out for all", q.Limit)
	}
	under, err := x.Under(q.Patches)
	if err != nil {
		return err
	}
	set := evaluation.Sample(whole, q.Limit, sampleSeed)
	if err := watched.Fit(x.Model(), watched.Named(set)...); err != nil {
		return server.Refuse(http.StatusBadRequest, "data", "invalid_probes", "%v", err)
	}
	m := &measuring{id: newID(), tenant: x.Tenant(), model: x.Model(), overlay: under.Overlay, set: set, of: len(whole.Set), asked: time.Now()}
	named, files := asFiles(q.Patches, under.Of)
	m.files = files
	m.doc = evaluation.Doc{
		Model: source.RefOf(shownModel(e.w.o.Model), x.Model().Weights()), Set: set.Ref(),
		Patches: append([]string{}, q.Patches...), Command: e.command(&q, named, set),
	}
	if len(set.Set) < m.of {
		m.doc.SampledFrom = m.of
	}
	if err := e.add(m); err != nil {
		return err
	}
	x.Writer().Header().Set("Location", "evaluations/"+m.id)
	return x.Document(http.StatusAccepted, e.describe(m))
}

// set reads the probes that a request gives or names. Files of the server's are not read.
func (q *evaluationRequest) set() (source.Set, error) {
	refuse := func(member, format string, args ...any) (source.Set, error) {
		return source.Set{}, server.Refuse(http.StatusBadRequest, member, "invalid_probes", format, args...)
	}
	switch given := q.Name != "" || q.Data != ""; {
	case given && q.Probes != "":
		return refuse("probes", "probes names a built-in set, and data is a file: give one of them")
	case given:
		name := fileName(q.Name)
		if name == "" {
			return refuse("name", "name is that of the file of probes: give it, with its ending")
		}
		if likeBuiltIn(name) {
			return refuse("name", "%q reads as one of the built-in sets: give the file another name", name)
		}
		s, err := source.ParseSet(name, []byte(q.Data), "")
		if err != nil {
			return refuse("data", "%v", err)
		}
		return s, nil
	case !strings.HasPrefix(q.Probes, source.Demo):
		return refuse("probes", "%q is no built-in set: GET /api/probes lists those that there are; or send a file's name and data", q.Probes)
	}
	s, err := source.ReadSet(q.Probes)
	if err != nil {
		return refuse("probes", "%v", err)
	}
	return s, nil
}

// fileName is the name of a file without its folders, in one line.
func fileName(path string) string {
	name := text.Printable(path[strings.LastIndexAny(path, `/\`)+1:])
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[len(name)-maxName:], "")
	}
	return name
}

// likeBuiltIn reports whether a file's name would be taken for that of a built-in set, by
// programs or by people.
func likeBuiltIn(name string) bool {
	const demo = len(source.Demo)
	name = strings.TrimSpace(name)
	return len(name) >= demo && strings.EqualFold(name[:demo], source.Demo)
}

// patchFile is the file that a command line takes for a patch of this server's which its
// owner's library does not have. Whoever wants it gets it from the server by the patch's name.
type patchFile struct {
	File   string        `json:"file"`  // "fix.bankai"
	Patch  string        `json:"patch"` // name or digest here
	Digest bankai.Digest `json:"digest"`
}

// asFiles are patches as a command line takes them: by the names that the library has, and
// others as files.
func asFiles(asked []string, used []server.UsedPatch) (words []string, files []patchFile) {
	for i, p := range used {
		if p.Library {
			words = append(words, asked[i])
			continue
		}
		name := p.Name
		if name == "" {
			name = fmt.Sprintf("%.12s", p.Digest)
		}
		f := patchFile{strings.ReplaceAll(name, ":", "-") + ".bankai", asked[i], p.Digest}
		words, files = append(words, f.File), append(files, f)
	}
	return words, files
}

// command is the command line that finds the same under patches as it takes them.
func (e *evaluations) command(q *evaluationRequest, patches []string, s source.Set) string {
	words := []string{"bankai", "eval", "--probes", s.Source}
	if q.Limit > 0 {
		words = append(words, "--limit", fmt.Sprint(q.Limit))
	}
	if model := shownModel(e.w.o.Model); model != source.DemoModel {
		words = append(words, "--model", model)
	}
	if e.w.o.Precision == "exact" {
		words = append(words, "--precision", e.w.o.Precision)
	}
	for _, p := range patches {
		words = append(words, "--patch", p)
	}
	for i, w := range words {
		words[i] = text.Quoted(w)
	}
	return strings.Join(words, " ")
}

// shownModel is the server's model as its clients may know it: without its folders.
func shownModel(path string) string {
	if path == source.DemoModel || source.IsPublished(path) {
		return path
	}
	return filepath.Base(path)
}

// newID is a name that no other has.
func newID() string {
	var b [8]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
