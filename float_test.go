package bankai_test

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"math"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// unscanned are the packages whose floats may differ in the last bit between CPUs.
var unscanned = map[string]string{
	"bankai/internal/chart":      "pictures: places are written to a hundredth of a point",
	"bankai/bench":               "timings are of one machine anyway",
	"bankai/internal/enginetest": "what tests compare with, within bounds",
	"bankai/internal/testmodel":  "random weights, and the tests pin what comes of them on every CPU",
}

// exactMath are the functions of package math that give the same bits on every CPU:
// they round once, or not at all. The others are assembly on some, or the compiler
// may fuse what they compute.
var exactMath = strings.Fields(`
	Abs Ceil Copysign FMA Floor Frexp Inf IsInf IsNaN Ldexp Max Min Mod Modf NaN
	Nextafter Nextafter32 Pow10 Round RoundToEven Signbit Sqrt Trunc
	Float32bits Float32frombits Float64bits Float64frombits`)

// Recorded figures are the same to the bit on every CPU. So no package calls a
// function of package math that is not, nor adds to a product that is not rounded by
// an explicit conversion: a compiler may fuse x*y + z, and does on arm64.
func TestFloatsAreTheSameEverywhere(t *testing.T) {
	mode := packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedExportFile |
		packages.NeedTypes | packages.NeedSyntax | packages.NeedTypesInfo
	all, err := packages.Load(&packages.Config{Mode: mode}, "./...")
	if err != nil {
		t.Fatal(err)
	}
	var scanned []typed
	for _, p := range all {
		for _, err := range p.Errors {
			t.Error(err)
		}
		if _, ok := unscanned[p.PkgPath]; !ok {
			scanned = append(scanned, typed{p.Syntax, p.TypesInfo})
		}
	}
	if len(scanned) != len(all)-len(unscanned) || len(scanned) < 15 {
		t.Errorf("%d packages are found, %d scanned and %d not", len(all), len(scanned), len(unscanned))
	}
	for _, hit := range inexact(all[0].Fset, scanned) {
		t.Error(hit)
	}
}

// typed is a package.
type typed struct {
	files []*ast.File
	info  *types.Info
}

// inexact lists what may give other bits on another CPU.
func inexact(fset *token.FileSet, packages []typed) (hits []string) {
	products := map[any]bool{}
	walk := func(visit func(s floatScan, n ast.Node)) {
		for _, p := range packages {
			for _, f := range p.files {
				ast.Inspect(f, func(n ast.Node) bool {
					visit(floatScan{p.info, products}, n)
					return true
				})
			}
		}
	}
	for known := -1; len(products) > known; { // a product may be handed on
		known = len(products)
		walk(floatScan.findProducts)
	}
	walk(func(s floatScan, n ast.Node) {
		if what := s.inexact(n); what != "" {
			hits = append(hits, fmt.Sprintf("%s: %s", fset.Position(n.Pos()), what))
		}
	})
	return hits
}

// floatScan looks at one package. It knows the variables, parameters, fields and
// elements that are set to products, and the functions of all packages that return
// them, none rounded by a conversion: the compiler fuses across statements, and across
// functions once they are inlined.
type floatScan struct {
	info     *types.Info
	products map[any]bool // by nameOf
}

// inexact says what of the node itself, not of those in it, may differ.
func (s floatScan) inexact(n ast.Node) string {
	const advice = " may be fused: convert the product to its type"
	switch n := n.(type) {
	case *ast.Ident:
		f, ok := s.info.Uses[n].(*types.Func)
		switch {
		case !ok || f.Pkg() == nil:
		case f.Pkg().Path() == "math" && !slices.Contains(exactMath, f.Name()):
			return "math." + f.Name() + " is not the same on every CPU: use that of internal/kernel"
		case strings.HasPrefix(f.Pkg().Path(), "math/rand") && (f.Name() == "NormFloat64" || f.Name() == "ExpFloat64"):
			return f.Name() + " uses math.Log and math.Exp, which are not the same on every CPU"
		}
	case *ast.BinaryExpr:
		if (n.Op == token.ADD || n.Op == token.SUB) && s.isFloat(n) && (s.isProduct(n.X) || s.isProduct(n.Y)) {
			return types.ExprString(n) + advice
		}
	case *ast.AssignStmt:
		if (n.Tok == token.ADD_ASSIGN || n.Tok == token.SUB_ASSIGN) && (s.isProduct(n.Lhs[0]) || s.isProduct(n.Rhs[0])) {
			return types.ExprString(n.Lhs[0]) + " " + n.Tok.String() + " " + types.ExprString(n.Rhs[0]) + advice
		}
	}
	return ""
}

// isFloat says whether e is a float that is not constant.
func (s floatScan) isFloat(e ast.Expr) bool {
	v := s.info.Types[e]
	if v.Type == nil || v.Value != nil {
		return false
	}
	b, ok := v.Type.Underlying().(*types.Basic)
	return ok && b.Info()&types.IsFloat != 0
}

// isProduct says whether e is a float product that no conversion has rounded.
func (s floatScan) isProduct(e ast.Expr) bool {
	if !s.isFloat(e) {
		return false
	}
	switch e := ast.Unparen(e).(type) {
	case *ast.BinaryExpr:
		return e.Op == token.MUL && !s.isPowerOfTwo(e.X) && !s.isPowerOfTwo(e.Y)
	case *ast.UnaryExpr:
		return s.isProduct(e.X)
	case *ast.CallExpr:
		return s.products[s.nameOf(e.Fun)]
	}
	return s.products[s.nameOf(e)]
}

// nameOf is what variables, their elements, fields and functions are known by.
func (s floatScan) nameOf(e ast.Expr) any {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		if f, ok := s.info.ObjectOf(e).(*types.Func); ok {
			return f.Origin().FullName() // the same seen from another package
		}
		if v := s.info.ObjectOf(e); v != nil {
			return v
		}
	case *ast.SelectorExpr:
		return s.nameOf(e.Sel)
	case *ast.IndexExpr:
		return s.nameOf(e.X)
	case *ast.StarExpr:
		return s.nameOf(e.X)
	}
	return nil
}

// isPowerOfTwo says whether e is such a constant: products with it are exact.
func (s floatScan) isPowerOfTwo(e ast.Expr) bool {
	v := s.info.Types[e].Value
	if v == nil {
		return false
	}
	x, _ := constant.Float64Val(constant.ToFloat(v))
	mantissa, _ := math.Frexp(math.Abs(x))
	return mantissa == 0.5
}

// findProducts notes what a node sets to a product, or returns as one.
func (s floatScan) findProducts(n ast.Node) {
	note := func(to ast.Expr, product bool) {
		if name := s.nameOf(to); product && name != nil {
			s.products[name] = true
		}
	}
	switch n := n.(type) {
	case *ast.AssignStmt:
		for i, to := range n.Lhs {
			switch {
			case n.Tok == token.MUL_ASSIGN:
				note(to, s.isFloat(to) && !s.isPowerOfTwo(n.Rhs[i]))
			case len(n.Lhs) == len(n.Rhs):
				note(to, s.yieldsProduct(n.Rhs[i]))
			}
		}
	case *ast.ValueSpec:
		for i, v := range n.Values {
			if len(n.Names) == len(n.Values) {
				note(n.Names[i], s.yieldsProduct(v))
			}
		}
	case *ast.CompositeLit:
		fields, _ := s.info.TypeOf(n).Underlying().(*types.Struct)
		for i, e := range n.Elts {
			if field, ok := e.(*ast.KeyValueExpr); ok {
				note(field.Key, s.yieldsProduct(field.Value))
			} else if fields != nil && s.yieldsProduct(e) {
				s.products[fields.Field(i)] = true
			}
		}
	case *ast.CallExpr: // of a function that may be inlined
		f, ok := s.info.TypeOf(n.Fun).(*types.Signature)
		for i, e := range n.Args {
			if ok && !f.Variadic() && s.isProduct(e) {
				s.products[f.Params().At(i)] = true
			}
		}
	case *ast.FuncDecl:
		note(n.Name, n.Body != nil && s.returnsProduct(n.Body))
	}
}

// yieldsProduct says whether e is a product, or a function that returns one.
func (s floatScan) yieldsProduct(e ast.Expr) bool {
	if f, ok := e.(*ast.FuncLit); ok {
		return s.returnsProduct(f.Body)
	}
	return s.isProduct(e)
}

// returnsProduct says whether a function of the body may return one.
func (s floatScan) returnsProduct(body *ast.BlockStmt) (found bool) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.ReturnStmt:
			found = found || len(n.Results) == 1 && s.isProduct(n.Results[0])
		}
		return true
	})
	return found
}

// The scan sees what it must, and nothing else.
func TestFloatScan(t *testing.T) {
	const file = `package p

import (
	"math"
	"math/rand/v2"
)

type half float32

var v, w []float64

type pair struct{ a, b float64 }

func plusOne(x float64) float64 { return x + 1 } // caught

func exp(x float64) float64          { return math.Log1p(x) } // caught
func product(x, y float64) float64   { return x * y }
func rounded(x, y float64) float64   { return float64(x * y) }

func caught(x, y, z float64, a, b, c float32, h half, f func() float64, s struct{ field float64 }, p *float64) {
	_ = x*y + z             // caught
	_ = z - x*y             // caught
	_ = (x*y) - z           // caught
	_ = -(x * y) + z        // caught
	_ = x*y + float64(z)    // caught
	_ = a*b + c             // caught
	_ = h*h - 1             // caught
	_ = 1 + 0.1*x           // caught
	_ = x*y*z + 1           // caught
	_ = x/y*z + 1           // caught
	_ = f()*x + y           // caught
	_ = v[0]*v[1] + v[0]    // caught
	z += x * y              // caught
	v[0] -= x * w[1]        // caught
	t := x * y
	_ = t + z               // caught
	z *= x
	z += y                  // caught
	_ = product(x, y) + 1   // caught
	double := func() float64 { return x * y }
	_ = double() + 1        // caught
	w[0] = x * y
	_ = w[1] + z            // caught
	s.field = x * y
	_ = 1 - s.field         // caught
	_ = pair{1, x * y}
	_ = pair{}.b - z        // caught
	_ = pair{a: x * y}
	_ = pair{}.a - z        // caught
	_ = plusOne(x * y)
	*p = x * y
	_ = *p + z              // caught
	_ = float64(x*y + 2)    // caught
	_ = math.Exp(x)         // caught
	_ = math.Pow(x, 2)      // caught
	_ = map[string]func(float64) float64{"": math.Tanh} // caught
	_ = rand.NormFloat64()  // caught
}

func passes(x, y, z float64, a, b float32, i, j, k int) {
	const c = 0.5*3 + 1
	_ = float64(x*y) + z
	_ = z - float64(x*y)
	_ = float32(a*b) + a
	_ = x/y + z
	_ = (x + y) * z
	_ = 2*x + y
	_ = 2*math.Pi*0.1 + x
	_ = i*j + k
	_ = float64(i*j) + x
	z += float64(x * y)
	t := float64(x * y)
	_ = t + z
	_ = rounded(x, y) + z
	_ = math.Sqrt(x) + math.Floor(y) + math.FMA(x, y, z)
	_ = rand.Float64()
	i += j * k
}
`
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "p.go", file, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}}
	if _, err := (&types.Config{Importer: importer.Default()}).Check("p", fset, []*ast.File{f}, info); err != nil {
		t.Fatal(err)
	}
	hits := inexact(fset, []typed{{[]*ast.File{f}, info}})
	for i, line := range strings.Split(file, "\n") {
		want := 0
		if strings.HasSuffix(line, "// caught") {
			want = 1
		}
		at := fmt.Sprintf("p.go:%d:", i+1)
		if got := len(slices.DeleteFunc(slices.Clone(hits), func(h string) bool { return !strings.HasPrefix(h, at) })); got != want {
			t.Errorf("%d hits, want %d: %s", got, want, strings.TrimSpace(line))
		}
	}
}
