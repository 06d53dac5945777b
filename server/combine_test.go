package server

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"bankai"
	"bankai/internal/anatomy"
)

const combines = "/api/patches/combine"

// combinedBody asks for patches together.
func combinedBody(refs ...string) string {
	return `{"patches":["` + strings.Join(refs, `","`) + `"]}`
}

// What comes of patches together is what anatomy.Combine says of them, and the file of it has
// the flips of their XOR.
func TestCombine(t *testing.T) {
	r := local(t)
	r.put("half", rows(150, 300), 201)
	for _, c := range []struct {
		refs    []string
		patches []*bankai.Patch
		refused string
	}{
		{[]string{"a"}, []*bankai.Patch{patchA()}, ""},
		{[]string{"a", "b"}, []*bankai.Patch{patchA(), patchB()}, ""},
		{[]string{"a", "half", "b"}, []*bankai.Patch{patchA(), rows(150, 300), patchB()}, ""},
		{[]string{"a", "a"}, []*bankai.Patch{patchA(), patchA()}, "is named twice, and both together do nothing"},
	} {
		var fitted []*bankai.Patch
		var sum *bankai.Patch
		for _, p := range c.patches {
			p, err := r.model.Weights().Fit(p)
			if err != nil {
				t.Fatal(err)
			}
			if p = p.WithBase(r.model.Digest()); sum == nil {
				sum = p
			} else if sum, err = sum.Xor(p); err != nil {
				t.Fatal(err)
			}
			fitted = append(fitted, p)
		}
		want, err := anatomy.Combine(t.Context(), fitted)
		if err != nil {
			t.Fatal(err)
		}
		want.Sum = nil
		got := parse[combinedDoc](t, r.do("POST", combines, combinedBody(c.refs...)).body)
		if !reflect.DeepEqual(got.Combination, want) || got.Model != "demo:"+strings.Join(c.refs, "+") || len(got.Patches) != len(c.refs) || got.Patches[0].Name != "a" {
			t.Errorf("%v: %+v, want %+v", c.refs, got, want)
		}
		if !strings.Contains(got.Refused, c.refused) || (got.Refused == "") != (c.refused == "") {
			t.Errorf("%v: refused: %q", c.refs, got.Refused)
		}
		if c.refused != "" {
			r.refuses(400, "POST", combines+"?form=bankai", combinedBody(c.refs...))
			continue
		}
		for _, form := range []string{"bankai", "json"} {
			file := r.do("POST", combines+"?form="+form, combinedBody(c.refs...))
			p, err := bankai.Read(strings.NewReader(file.body))
			if err != nil || p.ContentDigest() != sum.ContentDigest() || p.Meta().Name != strings.Join(c.refs, "+") {
				t.Errorf("%v as %s: %+v, %v", c.refs, form, p, err)
			}
			if head := file.header.Get("Content-Disposition"); head != fmt.Sprintf("attachment; filename=%s.%s", strings.Join(c.refs, "+"), form) {
				t.Errorf("it is called %s", head)
			}
		}
	}
}

// Patches that flip the same under two names, and those that conflict, are described, and
// it is said why no request has them together.
func TestCombineWhatGoesNotTogether(t *testing.T) {
	r := local(t)
	r.put("same", patchA(), 201)
	foe := bankai.Conflict{Content: patchA().ContentDigest(), Name: "a", Why: "both forget sums"}
	r.put("foe", patchB().WithMeta(bankai.Meta{Conflicts: []bankai.Conflict{foe}}), 201)
	equal := parse[combinedDoc](t, r.do("POST", combines, combinedBody("a", "same")).body)
	if equal.Together.Flips != 0 || *equal.Cancelled.Bits != 300*256 || equal.Pairs[0].Relation != anatomy.Equal || !strings.Contains(equal.Refused, "both together do nothing") {
		t.Errorf("%+v", equal)
	}
	foes := parse[combinedDoc](t, r.do("POST", combines, combinedBody("a", "foe")).body)
	if len(foes.Conflicts) != 1 || foes.Conflicts[0] != (conflictDoc{0, 1, "both forget sums"}) || !strings.Contains(foes.Refused, "must not be combined") || foes.Together.Flips != 700 {
		t.Errorf("%+v", foes)
	}
	r.refuses(409, "POST", combines+"?form=bankai", combinedBody("a", "foe"))
}

func TestCombineRefuses(t *testing.T) {
	r := local(t)
	for body, status := range map[string]int{
		"": 400, "[]": 400, "{}": 400, `{"patches":[]}`: 400, `{"patches":"a"}`: 400, `{"patches":[1]}`: 400, `{"patches":["a"],"form":"json"}`: 400,
		combinedBody("a", "nobody"): 404, combinedBody("sha256:" + strings.Repeat("0", 64)): 404, combinedBody("sha256:00"): 400,
		`{"patches":[` + strings.Repeat(`"a",`, maxListed) + `"b"]}`: 400,
	} {
		r.refuses(status, "POST", combines, body)
	}
	r.refuses(400, "POST", combines+"?form=exe", combinedBody("a", "b"))
	r.refuses(400, "GET", "/api/patches/a?form=exe", "")
	r.put("bit", bankai.New(bankai.Digest{}, bankai.Meta{}, bankai.Flip{Tensor: "blk.1.ffn_up.weight", Row: 1, Col: 3, N: 1}), 201)
	if e := r.refuses(409, "POST", combines+"?form=json", combinedBody("bit")); !strings.Contains(e.Message, "cannot be written in this form") {
		t.Error(e.Message)
	}
}

// A patch is to be had as it was put, for this model.
func TestPatchFile(t *testing.T) {
	r := local(t)
	r.put("sums", measured(), 201)
	got := r.do("GET", "/api/patches/sums?form=bankai", "")
	p, err := bankai.Read(strings.NewReader(got.body))
	if err != nil || p.Base() != r.model.Digest() || p.Meta().Author != "Ada" || p.Len() != 300 || got.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("%+v, %v", p, err)
	}
}
