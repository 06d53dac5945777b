package server

import (
	"bankai/engine"
)

// chatLogProbs are the log-probabilities of an answer's tokens in the form of chats.
type chatLogProbs struct {
	Content []chatToken `json:"content"`
	Refusal *string     `json:"refusal"`
}

type chatToken struct {
	tokenLogProb
	Top []tokenLogProb `json:"top_logprobs"`
}

type tokenLogProb struct {
	Token   string  `json:"token"`
	LogProb float64 `json:"logprob"`
	Bytes   []int   `json:"bytes"` // of the token, which may be a part of a character
}

// logProbs takes whether a chat tells the log-probabilities of its tokens, and of how many
// of the likeliest ones beside each.
func (f *fields) logProbs() (wanted bool, top int) {
	wanted = f.bool("logprobs")
	top = f.whole("top_logprobs", 0, maxTop, 0)
	if top > 0 && !wanted {
		f.fail(invalid("top_logprobs", "top_logprobs needs \"logprobs\": true"))
	}
	return wanted, top
}

// noLogProbs is where a chat's log-probabilities are gathered; nil if none are asked for.
func (j *job) noLogProbs() *chatLogProbs {
	if !j.logProbs {
		return nil
	}
	return &chatLogProbs{Content: []chatToken{}}
}

// addLogProbs adds those of one token, if they are asked for.
func (l *loaded) addLogProbs(to *chatLogProbs, e engine.Event) {
	if to == nil || e.ID == engine.NoToken {
		return
	}
	t := chatToken{tokenLogProb: l.logProb(e.ID, e.LogProb), Top: []tokenLogProb{}}
	for _, p := range e.Top {
		t.Top = append(t.Top, l.logProb(p.ID, p.LogProb))
	}
	to.Content = append(to.Content, t)
}

func (l *loaded) logProb(id int32, p float64) tokenLogProb {
	return tokenLogProb{Token: l.tokenText(id), LogProb: finite(p), Bytes: numbers(l.model.Tokenizer().Bytes(id))}
}

// tokenText is what answers call a token.
func (l *loaded) tokenText(id int32) string { return l.model.Tokenizer().Text(id) }

// finite is a log-probability as JSON can hold it: one of nothing is that of a token that
// hardly ever comes.
func finite(p float64) float64 {
	if p != p || p < -9999 {
		return -9999
	}
	return p
}
