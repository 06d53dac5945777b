package bankai

import (
	"errors"
	"fmt"
)

// ErrBaseMismatch says that two patches, or a patch and a model, are bound to
// different bases: their flips are not about the same bits.
var ErrBaseMismatch = errors.New("the base models differ")

// ErrArithmeticMismatch says that a patch was made on a model with the same tensors
// that computes otherwise: see [Arithmetic]. The patch fits, but what was measured
// of it does not hold.
var ErrArithmeticMismatch = errors.New("the models compute differently")

// RangeError says that a flip does not fit the tensor it names. Nothing has
// been changed when it is returned.
type RangeError struct {
	Tensor string
	// What did not fit: "tensor" (the model has no 1-bit tensor of this name),
	// "row", "column", or "width" (the patch was made for rows of Got weights).
	What       string
	Row        uint32 // the flip's row, for "column"
	Got, Limit uint32 // the offending index, and how many there are
}

// Error says in one line what is out of range, and where.
func (e *RangeError) Error() string {
	switch e.What {
	case "row":
		return fmt.Sprintf("%s: row %d is out of range: the tensor has %d rows", e.Tensor, e.Row, e.Limit)
	case "column":
		return fmt.Sprintf("%s, row %d: column %d (group %d) is out of range: a row has %d weights",
			e.Tensor, e.Row, e.Got, e.Got/GroupSize, e.Limit)
	case "width":
		return fmt.Sprintf("%s: the patch is for rows of %d weights, not %d: it belongs to a model of another shape",
			e.Tensor, e.Got, e.Limit)
	}
	return e.Tensor + ": the model has no 1-bit tensor of this name: the patch belongs to another model"
}
