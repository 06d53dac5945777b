package parts_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"bankai/internal/parts"
)

// Whatever is done at a time, what comes is taken in order, each thing once.
func TestDo(t *testing.T) {
	for _, several := range []bool{false, true} {
		for _, size := range []int{1, 3, 10, 11} {
			var now, most atomic.Int32
			var ends []int
			err := parts.Do(t.Context(), 10, func() bool { return several }, func(lo int) int { return lo + size }, func(_ context.Context, lo, hi int) (string, error) {
				if n := now.Add(1); n > most.Load() {
					most.Store(n)
				}
				defer now.Add(-1)
				return fmt.Sprint(lo, hi), nil
			}, func(lo, hi int, got string) error {
				if got != fmt.Sprint(lo, hi) {
					t.Errorf("of %d to %d came %q", lo, hi, got)
				}
				ends = append(ends, lo, hi)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			var want []int
			for lo := 0; lo < 10; lo += size {
				want = append(want, lo, min(lo+size, 10))
			}
			if !slices.Equal(ends, want) {
				t.Errorf("parts of %d: %v", size, ends)
			}
			if limit := int32(parts.Ahead); most.Load() > limit || !several && most.Load() > 1 {
				t.Errorf("%d parts at a time", most.Load())
			}
		}
	}
}

// With several machines the next part is begun while one is not done.
func TestDoAhead(t *testing.T) {
	second := make(chan struct{})
	err := parts.Do(t.Context(), 2, func() bool { return true }, func(lo int) int { return lo + 1 }, func(_ context.Context, lo, _ int) (int, error) {
		if lo == 1 {
			close(second)
		}
		<-second
		return 0, nil
	}, func(int, int, int) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
}

// The first error, in order, ends the work: nothing is done after Do has returned, and what
// came before it was taken.
func TestDoFails(t *testing.T) {
	fault := errors.New("fault")
	for _, of := range []string{"do", "take"} {
		var now atomic.Int32
		taken := 0
		err := parts.Do(t.Context(), 10, func() bool { return true }, func(lo int) int { return lo + 1 }, func(ctx context.Context, lo, _ int) (int, error) {
			now.Add(1)
			defer now.Add(-1)
			if of == "do" && lo == 3 {
				return 0, fault
			}
			if lo > 3 {
				<-ctx.Done()
				return 0, ctx.Err()
			}
			return 0, nil
		}, func(lo, _, _ int) error {
			taken++
			if of == "take" && lo == 2 {
				return fault
			}
			return nil
		})
		if !errors.Is(err, fault) || taken != 3 || now.Load() != 0 {
			t.Errorf("%s: error %v after %d parts, %d in work", of, err, taken, now.Load())
		}
	}
}
