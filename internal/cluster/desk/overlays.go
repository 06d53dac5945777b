package desk

import (
	"bytes"
	"crypto/sha256"
	"sync"

	"bankai"
	"bankai/engine"
)

// Overlays makes overlays of patches as they are sent, and keeps the latest: most units
// come under the patch of the one before, or under none.
type Overlays struct {
	model *engine.Model

	mu   sync.Mutex
	kept []keptOverlay // the latest last
}

type keptOverlay struct {
	of [sha256.Size]byte // the encoded patch
	o  *engine.Overlay
}

// mostOverlays is how many are kept.
const mostOverlays = 2

// NewOverlays keeps none yet.
func NewOverlays(m *engine.Model) *Overlays { return &Overlays{model: m} }

// Of is the overlay of an encoded patch.
func (k *Overlays) Of(encoded []byte) (*engine.Overlay, error) {
	sum := sha256.Sum256(encoded)
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, have := range k.kept {
		if have.of == sum {
			k.kept = append(append(k.kept[:i:i], k.kept[i+1:]...), have)
			return have.o, nil
		}
	}
	p, err := bankai.Read(bytes.NewReader(encoded))
	if err != nil {
		return nil, err
	}
	o, err := k.model.Overlay(p)
	if err != nil {
		return nil, err
	}
	k.kept = append(k.kept, keptOverlay{sum, o})
	if n := len(k.kept); n > mostOverlays {
		k.kept = k.kept[n-mostOverlays:]
	}
	return o, nil
}
