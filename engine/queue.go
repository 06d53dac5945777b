package engine

import "slices"

// queue holds lanes that wait for room: clients in turn, the lanes of one client in the
// order of their coming.
type queue struct {
	turns   []*turn // whose turn is next comes first
	streams int     // of all lanes
	tokens  int     // of their prompts
}

// turn is what one client waits for: at least one lane.
type turn struct {
	client string
	lanes  []*lane
}

func (q *queue) push(a *lane) {
	q.streams += len(a.streams)
	q.tokens += len(a.Prompt)
	for _, t := range q.turns {
		if t.client == a.Client {
			t.lanes = append(t.lanes, a)
			return
		}
	}
	q.turns = append(q.turns, &turn{a.Client, []*lane{a}})
}

// first is the lane whose turn it is, nil if none waits.
func (q *queue) first() *lane {
	if len(q.turns) == 0 {
		return nil
	}
	return q.turns[0].lanes[0]
}

// pop takes the first lane out; its client's next one waits for all other clients.
func (q *queue) pop() {
	t := q.turns[0]
	q.streams -= len(t.lanes[0].streams)
	q.tokens -= len(t.lanes[0].Prompt)
	if t.lanes, q.turns = t.lanes[1:], q.turns[1:]; len(t.lanes) > 0 {
		q.turns = append(q.turns, t)
	}
}

// remove takes a stream out, with its lane if it is the last one there. It says whether
// the stream waited.
func (q *queue) remove(s *Stream) bool {
	for ti, t := range q.turns {
		for li, a := range t.lanes {
			i := slices.Index(a.streams, s)
			if i < 0 {
				continue
			}
			q.streams--
			a.share.streams--
			if a.streams = slices.Delete(a.streams, i, i+1); len(a.streams) > 0 {
				return true
			}
			q.tokens -= len(a.Prompt)
			if t.lanes = slices.Delete(t.lanes, li, li+1); len(t.lanes) == 0 {
				q.turns = slices.Delete(q.turns, ti, ti+1)
			}
			return true
		}
	}
	return false
}

// all are the lanes that wait.
func (q *queue) all() (lanes []*lane) {
	for _, t := range q.turns {
		lanes = append(lanes, t.lanes...)
	}
	return lanes
}
