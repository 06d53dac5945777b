//go:build !wasm

package mapped

import (
	"math"
	"os"

	"github.com/blevesearch/mmap-go"
)

// maxSize is a slice's. Of a larger file, package mmap would map the beginning.
const maxSize = math.MaxInt

func mapFile(f *os.File, size int) ([]byte, error) { return mmap.MapRegion(f, size, mmap.RDONLY, 0, 0) }

func unmapFile(data []byte) error {
	m := mmap.MMap(data)
	return m.Unmap()
}
