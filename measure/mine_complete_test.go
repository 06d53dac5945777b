package measure_test

import (
	"reflect"
	"testing"

	"bankai/measure"
	"bankai/probe"
)

// Wrong answers that are there stay or are replaced, as is asked for, and a prompt without
// any is left out.
func TestComplete(t *testing.T) {
	set := probe.Set{{Name: "a", Wrong: " 5"}, {Name: "b", Wrong: "7"}, {Name: "c"}, {Name: "d"}, {Name: "e"}}
	mined := []measure.Mined{{Wrong: "5"}, {Wrong: "8", Own: true}, {Wrong: "9", Own: true}, {Right: true}, {Wrong: "4", Right: true}}
	for _, c := range []struct {
		keep  bool
		wrong []string
		how   measure.Completion
	}{
		{true, []string{" 5", "7", "9", "4"}, measure.Completion{Prompts: 5, Right: 2, Own: 1, Instead: 1, Kept: 2, LeftOut: []string{"d"}}},
		{false, []string{"5", "8", "9", "4"}, measure.Completion{Prompts: 5, Right: 2, Own: 2, Instead: 2, Same: 1, Changed: 1, LeftOut: []string{"d"}}},
	} {
		complete, how := measure.Complete(set, mined, c.keep)
		var wrong []string
		for _, p := range complete {
			wrong = append(wrong, p.Wrong)
		}
		if !reflect.DeepEqual(wrong, c.wrong) || !reflect.DeepEqual(how, c.how) {
			t.Errorf("keep %v: %q, %+v", c.keep, wrong, how)
		}
	}
}
