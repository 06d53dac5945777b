package weights

import (
	"testing"

	"bankai/internal/testmodel"
)

// A hybrid has a delta-net in three layers of four and attention in the fourth.
func TestHybrid(t *testing.T) {
	f, err := FromBytes("hybrid", testmodel.Bytes(testmodel.TinyHybrid, 1))
	if err != nil {
		t.Fatal(err)
	}
	c := f.Config()
	for l := range c.Layers {
		if recurrent := (l+1)%4 != 0; c.Has(DeltaNet, l) != recurrent || c.Has(Attention, l) == recurrent {
			t.Errorf("layer %d: delta-net %v, attention %v", l, c.Has(DeltaNet, l), c.Has(Attention, l))
		}
	}
}
