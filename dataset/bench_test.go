package dataset

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// chats makes n lines of OpenAI's form with about 60 words each.
func chats(n int) []byte {
	var b bytes.Buffer
	words := strings.Fields("river stone lamp green walk over seven quiet market bread under open tall winter glass road sing paper early north garden blue cloud rope paint silver often letter boat hill")
	x := uint64(1)
	word := func() string { x = mix(x + 1); return words[x%uint64(len(words))] + words[x>>8%uint64(len(words))%7] }
	sentence := func(n int) string {
		s := make([]string, n)
		for i := range s {
			s[i] = word()
		}
		return strings.Join(s, " ")
	}
	for i := range n {
		fmt.Fprintf(&b, `{"messages":[{"role":"system","content":"You are terse and answer in one line."},{"role":"user","content":"%s %d"},{"role":"assistant","content":"%s"}],"id":"%d"}`+"\n", sentence(30), i, sentence(25), i)
	}
	return b.Bytes()
}

func BenchmarkRead(b *testing.B) {
	data := chats(100_000)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := Read("a.jsonl", data, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	d, err := Read("a.jsonl", chats(100_000), Options{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := d.Split(SplitOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}
