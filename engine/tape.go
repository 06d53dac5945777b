package engine

// tape keeps what a backward pass needs of one forward pass.
type tape struct{}

func (t *tape) keepKV(i int, b *Batch)  {}
func (t *tape) keepQ(i int, b *Batch)   {}
func (t *tape) keepMLP(i int, b *Batch) {}
