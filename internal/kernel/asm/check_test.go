package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/pass"
	"github.com/mmcloughlin/avo/reg"
)

// compiled is a file of one function, its registers allocated.
func compiled(t *testing.T, name string, body func(*build.Context)) *ir.File {
	t.Helper()
	c := build.NewContext()
	c.Function(name)
	c.SignatureExpr("func(x *byte)")
	body(c)
	c.RET()
	f, err := c.Result()
	if err != nil {
		t.Fatal(err)
	}
	if err := pass.Compile.Execute(f); err != nil {
		t.Fatal(err)
	}
	return f
}

// sum adds n vectors that are all alive at once.
func sum(c *build.Context, n int) {
	v := make([]reg.VecVirtual, n)
	for i := range v {
		v[i] = c.YMM()
		c.VPXOR(v[i], v[i], v[i])
	}
	for _, x := range v {
		c.VPADDD(x, v[0], v[0])
	}
}

// What an AVX2 kernel must not use. Seventeen registers are how addValues256x2
// once ended in SIGILL on every processor without AVX-512: avo called it AVX2.
func TestRefused(t *testing.T) {
	for needs, body := range map[string]func(*build.Context){
		"Y16 needs AVX512F": func(c *build.Context) { sum(c, 17) },
		"needs AVX512VL":    func(c *build.Context) { c.VPDPBUSD(reg.Y0, reg.Y1, reg.Y2) },
		"Z1 needs AVX512F":  func(c *build.Context) { c.VPADDD(reg.Z0, reg.Z1, reg.Z1) },
		"K1 needs AVX512F":  func(c *build.Context) { c.KMOVW(reg.K0, reg.K1) },
		"needs BMI2":        func(c *build.Context) { c.BZHIQ(reg.RAX, reg.RBX, reg.RCX) },
		"needs FMA3":        func(c *build.Context) { c.VFMADD231PS(reg.Y0, reg.Y1, reg.Y2) },
		"(Y17*1), Y2 needs AVX512F": func(c *build.Context) {
			c.VGATHERDPS(reg.Y1, Mem{Base: reg.RAX, Index: reg.Y17, Scale: 1}, reg.Y2)
		},
	} {
		_, err := requirements(compiled(t, "bad256x2", body))
		if err == nil || !strings.Contains(err.Error(), needs) || !strings.HasPrefix(err.Error(), "bad256x2: ") {
			t.Errorf("%q expected, got %v", needs, err)
		}
	}
	if _, err := requirements(compiled(t, "bare", func(*build.Context) {})); err == nil {
		t.Error("a kernel of no set was accepted")
	}
}

// A set requires what its kernels use, and those of the sets before it.
func TestRequirements(t *testing.T) {
	f := compiled(t, "narrow256", func(c *build.Context) {
		sum(c, 8)
		c.PREFETCHT0(Mem{Base: reg.RAX})
		c.VCVTPH2PS(reg.X0, reg.Y0)
	})
	f.Sections = append(f.Sections, compiled(t, "wide512", func(c *build.Context) { sum(c, 17) }).Sections...)
	got, err := requirements(f)
	if err != nil {
		t.Fatal(err)
	}
	if want := "map[avx2:[AVX2 F16C] avx512:[AVX2 AVX512F AVX512VL F16C]]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
}
