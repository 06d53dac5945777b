package judge

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Call is a call of a tool.
type Call struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"` // a JSON object
}

// tool compares calls: name and arguments, as JSON. Several calls may come in any order,
// as they do not know of each other's results; ordered asks for the same order. Text
// beside the calls does not count.
func tool(w Wanted, a Answer, ordered bool) Verdict {
	want, err := w.calls()
	if err != nil {
		return wrong("%v", err)
	}
	have, err := Wanted{Text: a.Text, Calls: a.Calls}.calls()
	if err != nil || len(have) == 0 {
		return wrong("no tool is called, wanted %s", named(want))
	}
	left := have
	for i, c := range want {
		found, why := -1, ""
		for j, h := range left {
			if ordered && j > 0 {
				break
			}
			d := callDifference(c, h)
			if d == "" {
				found = j
				break
			}
			if why == "" || h.Name == c.Name {
				why = d
			}
		}
		if found < 0 {
			if why == "" {
				why = fmt.Sprintf("call %d of %s is missing", i+1, c.Name)
			}
			return wrong("%s", why)
		}
		left = append(left[:found:found], left[found+1:]...)
	}
	if len(left) > 0 {
		return wrong("%s is called, too", named(left))
	}
	return right("calls %s as wanted", named(want))
}

// callDifference says how a call differs from the one that is wanted, "" if it does not.
func callDifference(want, have Call) string {
	if want.Name != have.Name {
		return fmt.Sprintf("calls %s, wanted %s", clip(have.Name), clip(want.Name))
	}
	w, err := argumentsOf(want)
	if err != nil {
		return fmt.Sprintf("%s: the wanted arguments are bad: it %v", clip(want.Name), err)
	}
	h, err := argumentsOf(have)
	if err != nil {
		return fmt.Sprintf("%s: what is given as arguments %v", clip(want.Name), err)
	}
	if d := jsonDifference("", w, h); d != "" {
		return fmt.Sprintf("%s: %s", clip(want.Name), d)
	}
	return ""
}

// argumentsOf reads arguments: an object, or one written in a string; none is the empty
// object.
func argumentsOf(c Call) (any, error) {
	s := strings.TrimSpace(string(c.Arguments))
	if s == "" || s == "null" {
		return map[string]any{}, nil
	}
	v, err := decodeJSON(s)
	if inner, ok := v.(string); err == nil && ok {
		if strings.TrimSpace(inner) == "" {
			return map[string]any{}, nil
		}
		return decodeJSON(inner)
	}
	return v, err
}

// calls are those of an answer; if it has none but is a JSON object with a name and
// arguments, or a list of such, then these.
func (w Wanted) calls() ([]Call, error) {
	if len(w.Calls) > 0 {
		return w.Calls, nil
	}
	v, err := readJSON(w.Text)
	if err != nil {
		return nil, fmt.Errorf("%q calls no tool", clip(w.Text))
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var calls []Call
	for _, item := range list {
		object, _ := item.(map[string]any)
		name, _ := object["name"].(string)
		args, has := object["arguments"]
		if name == "" || !has {
			return nil, fmt.Errorf("%q calls no tool: it has no name and arguments", clip(w.Text))
		}
		raw, err := json.Marshal(args)
		if err != nil {
			return nil, err
		}
		calls = append(calls, Call{name, raw})
	}
	return calls, nil
}

func named(calls []Call) string {
	var names []string
	for _, c := range calls {
		names = append(names, clip(c.Name))
	}
	return strings.Join(names, ", ")
}
