package weights

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"bankai"
	"bankai/internal/gguf"
	"bankai/internal/testmodel"

	"pgregory.net/rapid"
)

// named is a patch of a few flips of the tiny model, called name and made for base.
func named(base *File, name string, flips ...bankai.Flip) *bankai.Patch {
	return bankai.New(base.Digest(), bankai.Meta{Name: name}, flips...)
}

var (
	oneRow  = bankai.Flip{Tensor: "blk.0.ffn_gate.weight", Row: 5, N: bankai.ToEnd}
	fewBits = bankai.Flip{Tensor: "blk.1.ffn_down.weight", Row: 0, Col: 3, N: 200}
	lastRow = bankai.Flip{Tensor: "blk.1.ffn_down.weight", Row: 1, N: bankai.ToEnd}
)

// files writes a file and opens it.
func fileOf(t testing.TB, data []byte) *File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.gguf")
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// removed takes patches out of a file and returns the bytes of the copy.
func removed(t testing.TB, f *File, patches ...*bankai.Patch) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.gguf")
	if _, err := f.Remove(out, patches...); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// A patched copy says what is in it.
func TestBakedFilesSaySo(t *testing.T) {
	f := open(t, tiny())
	p, q := named(f, "calculus", oneRow), named(f, "", fewBits)
	baked := bake(t, f, p, q)
	b, ok := baked.Baked()
	fitted, err := q.Fit(f.Shape)
	if err != nil {
		t.Fatal(err)
	}
	content := fitted.ContentDigest()
	want := []BakedPatch{{"calculus", p.ContentDigest(), flipsDigest(p)}, {"patch " + content.String()[:12], content, flipsDigest(fitted)}}
	if !ok || b.Base != f.Digest() || b.From != "" || !reflect.DeepEqual(b.Patches, want) {
		t.Errorf("the copy says %+v", b)
	}
	if name := baked.Config().Name; name != "test-1bit + calculus + patch "+content.String()[:12] {
		t.Errorf("the copy is called %q", name)
	}
	dir := t.TempDir()
	for name, model := range map[string]*File{"plain.gguf": f, "baked.gguf": baked} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, bytesOf(t, model), 0o666); err != nil {
			t.Fatal(err)
		}
		again, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := again.IsAsBaked(); got != (model == baked) {
			t.Errorf("%s is as Bake wrote it: %v", name, got)
		}
		again.Close()
	}
}

// A copy that was changed since, in its weights or its metadata, is no longer as Bake
// wrote it.
func TestChangedCopiesAreNotAsBaked(t *testing.T) {
	f := open(t, tiny())
	baked := bake(t, f, named(f, "calculus", oneRow))
	data := bytesOf(t, baked)
	for name, change := range map[string]func(b []byte){
		"nothing":  func([]byte) {},
		"a weight": func(b []byte) { b[len(b)-1] ^= 1 },
		"the name": func(b []byte) { b[bytes.Index(b, []byte("test-1bit + "))] = 'T' },
	} {
		changed := bytes.Clone(data)
		change(changed)
		path := filepath.Join(t.TempDir(), "m.gguf")
		if err := os.WriteFile(path, changed, 0o666); err != nil {
			t.Fatal(err)
		}
		again, err := Open(path)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := again.IsAsBaked(); got != (name == "nothing") {
			t.Errorf("%s changed: as Bake wrote it: %v", name, got)
		}
		again.Close()
	}
}

// A patch that names no model is refused where it is in already, whatever went in
// after it, and comes off together with others that went in before.
func TestUnboundPatchesThatAreIn(t *testing.T) {
	f := open(t, tiny())
	p, q := named(f, "p", oneRow), named(f, "q", fewBits)
	loose := p.WithBase(bankai.Digest{})
	for name, model := range map[string]*File{
		"unbound":         bake(t, f, loose),
		"bound":           bake(t, f, p),
		"before another":  bake(t, bake(t, f, loose), q.WithBase(bankai.Digest{})),
		"after another":   bake(t, bake(t, f, q), loose),
		"bound, as first": bake(t, f, p, q),
	} {
		if _, err := model.Fit(loose); !errors.Is(err, bankai.ErrBaseMismatch) || !strings.Contains(err.Error(), "is in this model already") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := named(f, "r", lastRow)
	all := bake(t, bake(t, f, q, r), loose)
	out := filepath.Join(t.TempDir(), "r.gguf")
	if _, err := all.Remove(out, loose, q); err != nil {
		t.Fatalf("an unbound patch with an earlier one: %v", err)
	}
	got, err := os.ReadFile(out)
	if err != nil || !bytes.Equal(got, bytesOf(t, bake(t, f, r))) {
		t.Error("without an unbound patch and an earlier one, it is not what only the other was baked into")
	}
}

// bytesOf is the file that a model was read from.
func bytesOf(t testing.TB, f *File) []byte {
	t.Helper()
	var b memory
	if _, err := f.parts[0].Rewrite(&b, f.parts[0].KVs); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Whatever is baked into a file, taking it out gives back the file: all at once, one
// after the other, in either order, or as one combined patch.
func TestRemoveUndoesBake(t *testing.T) {
	data := tiny().Bytes()
	f, err := FromBytes("model", data)
	if err != nil {
		t.Fatal(err)
	}
	remove := func(t *rapid.T, f *File, patches ...*bankai.Patch) *File {
		c, err := f.PlanRemove(patches...)
		if err != nil {
			t.Fatal(err)
		}
		var b memory
		if err := c.Write(&b); err != nil {
			t.Fatal(err)
		}
		out, err := FromBytes("out", b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	rapid.Check(t, func(rt *rapid.T) {
		p, q := drawPatch(rt, f), drawPatch(rt, f)
		both, err := p.Xor(q)
		if err != nil {
			rt.Fatal(err)
		}
		baked, one := bakeInMemory(rt, f, p, q), bakeInMemory(rt, f, p)
		all := map[string]*File{
			"both at once": remove(rt, baked, q, p), "combined": remove(rt, baked, both), "the only one": remove(rt, one, p),
		}
		if _, ok := baked.Baked(); ok {
			all["unbound"] = remove(rt, baked, p.WithBase(bankai.Digest{}), q.WithBase(bankai.Digest{}))
		}
		for name, got := range all {
			if !bytes.Equal(bytesOf(t, got), data) {
				rt.Fatalf("%s: the file is another", name)
			}
		}
		// Two that flip the same, one of whole rows and one of all their groups, say, take
		// each other out, and so do flips of one patch.
		whatP, whatQ := fit(rt, f, p), fit(rt, f, q)
		if whatP.Len() > 0 && whatQ.Len() > 0 && flipsDigest(whatP) != flipsDigest(whatQ) {
			if rest := remove(rt, baked, q); !bytes.Equal(bytesOf(t, rest), bytesOf(t, one)) {
				rt.Fatal("without the second, it is not what only the first was baked into")
			}
		}
		// A patch that was made for the patched model is taken out before the first.
		on := q.WithBase(one.Digest())
		again := bakeInMemory(rt, one, on)
		if got := remove(rt, again, on); !bytes.Equal(bytesOf(t, got), bytesOf(t, one)) {
			rt.Fatal("the second of two layers does not come off")
		}
	})
}

// fit is a patch as it flips a model, however it is written.
func fit(t *rapid.T, f *File, p *bankai.Patch) *bankai.Patch {
	fitted, err := p.Fit(f.Shape)
	if err != nil {
		t.Fatal(err)
	}
	return fitted
}

// The container comes back, too: version, gaps between tensors, bytes behind them,
// a model without a name.
func TestRemoveRestoresTheContainer(t *testing.T) {
	for name, data := range map[string][]byte{
		"as written":  tiny().Bytes(),
		"version 2":   func() []byte { b := tiny().Bytes(); b[4] = 2; return b }(),
		"trailing":    append(tiny().Bytes(), "notes of somebody"...),
		"alignment":   func() []byte { m := tiny(); m.Set("general.alignment", gguf.Uint32(256)); return m.Bytes() }(),
		"no name":     func() []byte { m := tiny(); m.Unset("general.name"); return m.Bytes() }(),
		"no padding":  bytes.TrimRight(tiny().Bytes(), "\x00"),
		"odd strings": func() []byte { m := tiny(); m.Set("general.author", gguf.String("\xff\x00")); return m.Bytes() }(),
	} {
		t.Run(name, func(t *testing.T) {
			f := fileOf(t, data)
			p := named(f, "p", oneRow, fewBits)
			baked := bake(t, f, p)
			if got := removed(t, baked, p); !bytes.Equal(got, data) {
				t.Errorf("%d bytes come back, %d were there", len(got), len(data))
			}
		})
	}
}

// What was no single GGUF file of 1-bit matrices becomes the one that Bake makes of it
// without a patch, and says where it came from.
func TestRemoveFromAConvertedModel(t *testing.T) {
	unpacked := tiny()
	unpacked.Unpack(gguf.F16)
	splitModel, err := Open(split(t)[0])
	if err != nil {
		t.Fatal(err)
	}
	defer splitModel.Close()
	for from, f := range map[string]*File{
		"MLX folder":                openFolder(t, tinyMLX()),
		"GGUF with matrices of F16": open(t, unpacked),
		"GGUF in 3 parts":           splitModel,

		"folder of safetensors with matrices of F16": openFolder(t, testmodel.NewUnpacked(testmodel.Tiny, 1)),
	} {
		t.Run(from, func(t *testing.T) {
			p := named(f, "p", oneRow)
			converted, baked := bake(t, f), bake(t, f, p)
			for _, copied := range []*File{converted, baked} {
				if b, ok := copied.Baked(); !ok || b.From != from || b.Base != f.Digest() {
					t.Errorf("the copy says %+v", b)
				}
			}
			if got := removed(t, baked, p); !bytes.Equal(got, bytesOf(t, converted)) {
				t.Error("without the patch, it is not what is made of it without a patch")
			}
			if again := bake(t, converted, p); !bytes.Equal(bytesOf(t, again), bytesOf(t, baked)) {
				t.Error("patching the converted file gives another one")
			}
		})
	}
}

// A file that says nothing of its patches, as those of other programs, is recognised
// by its weights.
func TestRemoveWithoutOurKeys(t *testing.T) {
	f := open(t, tiny())
	p := named(f, "p", oneRow, fewBits)
	m := tiny()
	for i := range m.Tensors {
		w, _ := bake(t, f, p).Tensor(m.Tensors[i].Name)
		m.Tensors[i].Data = bytes.Clone(w.raw)
	}
	if got := removed(t, open(t, m), p); !bytes.Equal(got, tiny().Bytes()) {
		t.Error("the file is another")
	}
}

// What is not in the file cannot be taken out of it, and nothing is written.
func TestRemoveRefuses(t *testing.T) {
	f := open(t, tiny())
	p, q := named(f, "p", oneRow), named(f, "q", fewBits)
	baked, other := bake(t, f, p), open(t, testmodel.New(testmodel.Tiny, 2))
	damaged := tiny()
	for i := range damaged.Tensors {
		w, _ := baked.Tensor(damaged.Tensors[i].Name)
		damaged.Tensors[i].Data = bytes.Clone(w.raw)
	}
	damaged.KVs = baked.parts[0].KVs
	damaged.Tensor("blk.0.attn_q.weight").Data[2] ^= 1
	for _, test := range []struct {
		name    string
		from    *File
		patches []*bankai.Patch
		want    string
		is      error
	}{
		{"another patch", baked, []*bankai.Patch{q}, "not in baked.gguf: taking out what it flips gives model ", bankai.ErrBaseMismatch},
		{"one that is in and one that is not", baked, []*bankai.Patch{p, q}, "; in it are p (", bankai.ErrBaseMismatch},
		{"the model without it", f, []*bankai.Patch{p}, "not in test: taking out", bankai.ErrBaseMismatch},
		{"another model", other, []*bankai.Patch{p}, "not in test: taking out", bankai.ErrBaseMismatch},
		{"damaged since", open(t, damaged), []*bankai.Patch{p}, "not in test: taking out", bankai.ErrBaseMismatch},
		{"for two models", baked, []*bankai.Patch{p, q.WithBase(bankai.Digest{1})}, "the patches are for different models", nil},
		{"nobody knows", f, []*bankai.Patch{p.WithBase(bankai.Digest{})}, "neither the patch nor the model says", nil},
		{"out of range", baked, []*bankai.Patch{named(f, "x", bankai.Flip{Tensor: oneRow.Tensor, Row: 1000, N: 1})}, "row 1000 is out of range", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out.gguf")
			_, err := test.from.Remove(out, test.patches...)
			if err != nil && test.from == baked { // the path of a temporary file
				err = errors.New(string(bytes.ReplaceAll([]byte(err.Error()), []byte(filepath.Dir(baked.name)+"/"), nil)))
			} else if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("error %v is not %v", err, test.is)
			}
			wantError(t, err, "", test.want)
			if _, err := os.Stat(out); err == nil {
				t.Error("there is a copy")
			}
		})
	}
	path := fileOf(t, bytesOf(t, baked)).name
	own, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer own.Close()
	_, err = own.Remove(path, p)
	wantError(t, err, path, "is the model itself")
}

// Applying a patch to the copy that has it says so.
func TestFitOnAPatchedCopy(t *testing.T) {
	f := open(t, tiny())
	p, q := named(f, "calculus", oneRow), named(f, "other", fewBits)
	baked := bake(t, f, p)
	_, err := baked.Fit(p)
	wantError(t, err, "is in this model already", "take it out with bankai patch remove")
	_, err = baked.Fit(q)
	wantError(t, err, "made for model "+tinyDigest[:12], "which this one was before calculus went in: give that one")
	if !errors.Is(err, bankai.ErrBaseMismatch) {
		t.Errorf("%v is not ErrBaseMismatch", err)
	}
}

// A file that says it is ours and cannot be is refused.
func TestBakedKeysAreChecked(t *testing.T) {
	f := open(t, tiny())
	for name, change := range map[string]func(m *testmodel.Model){
		"bankai.base does not hold a digest":       func(m *testmodel.Model) { m.Set("bankai.base", gguf.String("00")) },
		"bankai.patch does not hold a digest":      func(m *testmodel.Model) { m.Set("bankai.patch", gguf.Strings([]string{"x"})) },
		"bankai.patch is not a list of strings":    func(m *testmodel.Model) { m.Set("bankai.patch", gguf.Uint32(1)) },
		"bankai.patch.name does not name the 1 pa": func(m *testmodel.Model) { m.Unset("bankai.patch.name") },
		"bankai.name is not a string":              func(m *testmodel.Model) { m.Set("bankai.name", gguf.Uint32(1)) },
	} {
		m := tiny()
		m.KVs = bake(t, f, named(f, "p", oneRow)).parts[0].KVs
		change(m)
		_, err := FromBytes("test", m.Bytes())
		wantError(t, err, "test: metadata key ", name)
	}
}

// What a copy does not keep, the copy without the patches does not have either; the
// sum of the file that was patched tells (it was claimed to be that file).
func TestTheSumTellsWhatIsNotGivenBack(t *testing.T) {
	p := bankai.New(bankai.Digest{}, bankai.Meta{Name: "p"}, bankai.Flip{Tensor: "blk.0.ffn_gate.weight", Row: 1, N: bankai.ToEnd})
	for what, test := range map[string]struct {
		change func(m *testmodel.Model)
		back   bool
	}{
		"nothing":                 {func(*testmodel.Model) {}, true},
		"a key of a merged split": {func(m *testmodel.Model) { m.Set("split.count", gguf.Uint16(0)) }, false},
		"a key like ours":         {func(m *testmodel.Model) { m.Set("bankai.note", gguf.String("x")) }, false},
	} {
		t.Run(what, func(t *testing.T) {
			m := tiny()
			test.change(m)
			f := open(t, m)
			baked := filepath.Join(t.TempDir(), "baked.gguf")
			if err := f.Bake(baked, p); err != nil {
				t.Fatal(err)
			}
			patched, err := Open(baked)
			if err != nil {
				t.Fatal(err)
			}
			defer patched.Close()
			out := filepath.Join(t.TempDir(), "out.gguf")
			made, err := patched.Remove(out, p.WithBase(f.Digest()))
			if err != nil {
				t.Fatal(err)
			}
			copied, err := Open(out)
			if err != nil {
				t.Fatal(err)
			}
			defer copied.Close()
			if made.File != f.Sum() || (copied.Sum() == made.File) != test.back {
				t.Errorf("the sum of the file was %v, is %v, and %v is recorded", f.Sum(), copied.Sum(), made.File)
			}
		})
	}
}
