package weights

// Recommended is a number that the maker of a model recommends to choose tokens with,
// by its name in the file behind "general.sampling.", as temp or top_k. Whether it makes
// sense is not checked. ok is false if the file has no such number.
func (f *File) Recommended(name string) (x float64, ok bool) {
	v, ok := f.parts[0].Value("general.sampling." + name)
	if !ok {
		return 0, false
	}
	return numberOf(v)
}
