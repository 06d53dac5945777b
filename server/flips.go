package server

import (
	"math"
	"strconv"
	"strings"

	"bankai"
	"bankai/internal/anatomy"
)

// Bounds of lists of flips.
const (
	usualFlips = 200
	maxFlips   = 10_000
)

// showMap answers GET /api/patches/{name}/map: which matrices a patch changes, or several
// together, as NAME+NAME.
func (s *Server) showMap(x *exchange) error {
	p, names, err := x.together()
	if err != nil {
		return err
	}
	return x.document(anatomy.NewFlipMap(x.loaded.model.Config(), names, p))
}

// listFlips answers GET /api/patches/{name}/flips?tensor=T&offset=0&limit=200: what a patch
// changes in one matrix, in the order of its rows.
func (s *Server) listFlips(x *exchange) error {
	p, _, err := x.together()
	if err != nil {
		return err
	}
	tensor := x.r.URL.Query().Get("tensor")
	rows, cols, ok := x.loaded.model.Weights().Shape(tensor)
	if !ok {
		f := notFound("the model has no 1-bit matrix %q: name one as GET /api/patches/%s/map does", tensor, x.r.PathValue("name"))
		f.param, f.code = "tensor", "tensor_not_found"
		return f
	}
	offset, err := x.queried("offset", 0, math.MaxInt32)
	if err != nil {
		return err
	}
	limit, err := x.queried("limit", usualFlips, maxFlips)
	if err != nil {
		return err
	}
	return x.document(anatomy.NewTensorRows(p, tensor, int(rows), int(cols), offset, limit))
}

// together is the XOR of the patches that the route names, and their names.
func (x *exchange) together() (sum *bankai.Patch, names []string, err error) {
	refs := strings.Split(x.r.PathValue("name"), "+")
	if len(refs) > maxListed {
		return nil, nil, invalid("name", "%d patches are named: at most %d are allowed", len(refs), maxListed)
	}
	var patches []*patch
	for _, ref := range refs {
		p, err := x.patches.referred(ref)
		if err != nil {
			f := *failureOf(err)
			f.param, f.code = "name", "patch_not_found"
			return nil, nil, &f
		}
		patches, names = append(patches, p), append(names, p.Name)
	}
	set, err := x.patches.set(patches)
	if err != nil {
		return nil, nil, err
	}
	return set.sum, names, nil
}

// queried is a whole number of the address, from 0 to most.
func (x *exchange) queried(name string, otherwise, most int) (int, error) {
	raw := x.r.URL.Query().Get(name)
	if raw == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(raw)
	if err != nil || n < 0 || n > most {
		return 0, invalid(name, "%s is %q: must be a whole number from 0 to %d", name, raw, most)
	}
	return n, nil
}
