package signature

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"bankai"
)

// A key is trusted with the models and the names that the user says, and others are not
// trusted at all.
func TestTrust(t *testing.T) {
	ann, bob, eve := secretKey(t), generate(t), generate(t)
	p := patch(gate)
	unbound := p.WithBase(bankai.Digest{})
	by := func(keys ...SecretKey) (sigs [][]byte) {
		for _, k := range keys {
			sigs = append(sigs, sign(t, k, p, ""))
		}
		return sigs
	}
	trust := Trust{
		{Key: ann.Public(), Name: "ann"},
		{Key: bob.Public(), Bases: []bankai.Digest{model}, Names: []string{"math*", "units-?"}},
	}
	for _, c := range []struct {
		what, name string
		p          *bankai.Patch
		sigs       [][]byte
		by         SecretKey
		refused    string
	}{
		{"ann", "anything", p, by(ann), ann, ""},
		{"bob", "math-2", p, by(bob), bob, ""},
		{"bob, one character", "units-a", p, by(bob), bob, ""},
		{"several", "anything", p, by(eve, bob, ann), ann, ""},
		{"none", "anything", p, nil, eve, "the patch is not signed"},
		{"bob, another name", "units-ab", p, by(bob), eve, `with patches named math* and units-? alone, and this one is "units-ab"`},
		{"bob, no name", "", p, by(bob), eve, `and this one is ""`},
		{"bob, no model", "math", unbound, [][]byte{sign(t, bob, unbound, "")}, eve, "for the model 010203000000 alone, and this one names no model"},
		{"bob, another model", "math", p.WithBase(bankai.Digest{9}), [][]byte{sign(t, bob, p.WithBase(bankai.Digest{9}), "")}, eve, "and this one is for 0900000000"},
		{"eve", "math", p, by(eve), eve, `which is not trusted here: whoever knows its owner can get its line (` + eve.Public().String()[:13] + `…) from them, and add it with "bankai library trust LINE"`},
		{"eve, then bob with another name", "x", p, by(eve, bob), eve, "beyond what the key is trusted with"},
		{"another patch", "math", patch(up), by(eve, ann), eve, "the patch was changed"},
		{"no signature at all", "math", p, [][]byte{[]byte("x")}, eve, "not a minisign signature"},
	} {
		got, err := trust.Check(c.name, c.p, c.sigs)
		switch {
		case c.refused == "" && (err != nil || !got.Key.Equal(c.by.Public()) || !got.Signed.Key.Equal(c.by.Public())):
			t.Errorf("%s: signed by %v, %v", c.what, got, err)
		case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
			t.Errorf("%s: %v, want %q", c.what, err, c.refused)
		}
	}
	if _, err := Trust(nil).Check("math", p, nil); !errors.Is(err, ErrUnsigned) {
		t.Errorf("nobody is trusted: %v", err)
	}
	var unknown *UntrustedError
	if _, err := Trust(nil).Check("math", p, by(ann)); !errors.As(err, &unknown) || !slices.Equal(unknown.By, []KeyID{ann.Public().ID()}) {
		t.Errorf("nobody is trusted: %v", err)
	}
}

// Where nobody is known who signed, all are named, each once, and not without end.
func TestUntrustedKeys(t *testing.T) {
	p := patch(gate)
	var sigs [][]byte
	var ids []KeyID
	var all []string
	for range maxNamed + 2 {
		k := generate(t)
		ids = append(ids, k.Public().ID())
		all = append(all, k.Public().ID().String()+" ("+k.Public().String()[:13]+"…)")
		sigs = append(sigs, sign(t, k, p, ""), sign(t, k, p, "again"))
	}
	for n, want := range map[int]string{
		1: "signed by the key " + ids[0].String() + ", which is not trusted here: ",
		2: "signed by the keys " + all[0] + " and " + all[1] + ", none of which is trusted here: ",
		4: "signed by the keys " + strings.Join(all[:3], ", ") + " and " + all[3] + ", none of",
		6: "signed by the keys " + strings.Join(all[:4], ", ") + " and 2 more, none of",
	} {
		_, err := Trust{}.Check("math", p, sigs[:2*n])
		var unknown *UntrustedError
		if !errors.As(err, &unknown) || !slices.Equal(unknown.By, ids[:n]) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%d keys: %v, want %s", n, err, want)
		}
	}
}

// Another key of the same id takes nothing from the one that is trusted.
func TestKeysOfOneID(t *testing.T) {
	ann, p := secretKey(t), patch(gate)
	twin := withID(t, generate(t), ann.Public().ID())
	trust := Trust{{Key: twin.Public(), Name: "twin"}, {Key: ann.Public(), Name: "ann"}}
	for _, k := range []SecretKey{ann, twin} {
		if by, err := trust.Check("x", p, [][]byte{sign(t, k, p, "")}); err != nil || !by.Key.Equal(k.Public()) {
			t.Errorf("signed by %v, %v", by, err)
		}
	}
	if _, err := trust[1:].Check("x", p, [][]byte{sign(t, twin, p, "")}); !errors.Is(err, ErrTampered) {
		t.Errorf("signed by the twin alone: %v", err)
	}
}

// A trusted key is a small document.
func TestTrustedJSON(t *testing.T) {
	k := secretKey(t).Public()
	whole := Trusted{Key: k, Name: "ann", Added: at, Bases: []bankai.Digest{model}, Names: []string{"math*"}}
	data, err := json.Marshal(whole)
	want := `{"key":"` + k.String() + `","name":"ann","added":"2023-11-14T22:13:20Z","base":["` + model.String() + `"],"names":["math*"]}`
	if err != nil || string(data) != want {
		t.Errorf("got %s, %v", data, err)
	}
	again, err := ParseTrusted(data)
	if err != nil || again.String() != "ann (9F1202721D5F7532)" || again.Bases[0] != model || again.Names[0] != "math*" || !again.Added.Equal(at) {
		t.Errorf("got %+v, %v", again, err)
	}
	head := `{"key": "` + k.String() + `", `
	for text, refused := range map[string]string{
		head + `"names": []}`:                                    `the member "names" is empty`,
		head + `"names": null}`:                                  `the member "names" is empty`,
		head + `"base": []}`:                                     `the member "base" is empty`,
		head + `"base": null}`:                                   `the member "base" is empty`,
		head + `"Names": ["a"]}`:                                 `the member "Names" is not known`,
		head + `"BASE": ["` + model.String() + `"]}`:             `the member "BASE" is not known`,
		head + `"names": ["a"], "names": ["*"]}`:                 `the member "names" stands there twice`,
		head + `"base": ["` + model.String() + `"], "base": []}`: `the member "base" stands there twice`,
		``:                  "not a trusted key: EOF",
		`{}`:                `it has no "key"`,
		`{"name": "ann"}`:   `it has no "key"`,
		`{"key": "RW"}`:     "not a public key",
		string(data) + `{}`: "something follows it",
		`{"key": "` + k.String() + `", "until": "2027"}`: `unknown field "until"`,
		`{"key": "` + k.String() + `", "names": ["["]}`:  "is no pattern of names",
		`{"key": "` + k.String() + `", "names": [""]}`:   "is no pattern of names",
		`{"key": "` + k.String() + `", "base": [""]}`:    "a base must be the digest of a model",
		`{"key": "` + k.String() + `", "base": ["12"]}`:  "digest",
	} {
		if _, err := ParseTrusted([]byte(text)); err == nil || !strings.Contains(err.Error(), refused) {
			t.Errorf("%s: %v, want %q", text, err, refused)
		}
	}
}
