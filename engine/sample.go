package engine

import (
	"math"
	"math/rand/v2"
	"slices"

	"bankai/internal/kernel"
)

// Sampling says how the next token is chosen. The zero value is greedy: the
// largest logit, the smallest id among equals.
//
// As in llama.cpp, tokens are first cut by TopK, TopP and MinP at temperature 1;
// Temperature then flattens or sharpens what is left, of which a random number picks
// one: r·Σp falls on it when the probabilities lie side by side, the likeliest first.
//
// The penalties and the bias come before all that: they change the logits themselves.
//
// Probabilities are whole numbers, so that a sum does not depend on its order: the
// choice is that of a sorted vocabulary, but hardly any of it has to be sorted.
type Sampling struct {
	Temperature float64 // 0: greedy
	TopK        int     // keep the k likeliest; 0: all
	TopP        float64 // keep the likeliest whose probability sums to p; 0 or 1: all
	MinP        float64 // drop tokens less than p times as likely as the likeliest; 0: none
	Seed        uint64  // of the random numbers: same seed, same text

	// As in OpenAI's interface, a token's logit loses FrequencyPenalty each time that it
	// was generated and PresencePenalty if it was at all; both from −2 to 2.
	PresencePenalty, FrequencyPenalty float64
	// As in llama.cpp, the logit of a token that is among the last RepeatLast tokens
	// (0: 64), those of the prompt included, is divided by RepeatPenalty if it is above 0
	// and multiplied by it if not. 0 or 1: no penalty.
	RepeatPenalty float64
	RepeatLast    int
	// Bias is added to the logits of tokens, after the penalties: from −100, which no
	// token survives, to 100. Their IDs must be the model's.
	Bias map[int32]float32
}

// Check refuses values outside their ranges with a *SamplingError. It does not know the
// model, so not the IDs of Bias.
func (s Sampling) Check() error {
	switch {
	case !(s.Temperature >= 0) || math.IsInf(s.Temperature, 1):
		return &SamplingError{"temperature", s.Temperature, "0 (greedy) or a finite number above"}
	case s.TopK < 0:
		return &SamplingError{"top-k", s.TopK, "0 (all) or more"}
	case !(s.TopP >= 0 && s.TopP <= 1):
		return &SamplingError{"top-p", s.TopP, "between 0 and 1"}
	case !(s.MinP >= 0 && s.MinP <= 1):
		return &SamplingError{"min-p", s.MinP, "between 0 and 1"}
	}
	return s.checkPenalties()
}

// Sampler chooses the tokens of one sequence. Its memory is kept from one choice to
// the next; two goroutines must not use it at once.
type Sampler struct {
	Sampling
	rand    *rand.Rand
	clean   []float32 // logits without NaN
	ranking ranking
	levels  levels
	weights []int64
	had     penalties
}

// Sampler begins the stream of random numbers.
func (s Sampling) Sampler() *Sampler {
	return &Sampler{
		Sampling: s,
		rand:     rand.New(rand.NewPCG(s.Seed, 0x62616E6B6169)),
		ranking:  ranking{kernel: kernel.Available()[0]}, // the fastest: the bits are those of all
	}
}

// Next chooses the next token. A logit of +∞ is certain, the first one if there are
// several; one of −∞ or NaN is not chosen unless there is nothing else.
func (s *Sampler) Next(logits []float32) int32 {
	if !s.penalises() {
		return s.next(logits)
	}
	id := s.next(s.penalised(logits))
	s.chose(id)
	return id
}

// next chooses by logits that have their penalties.
func (s *Sampler) next(logits []float32) int32 {
	if !allFinite(s.ranking.kernel, logits) {
		logits = s.withoutNaN(logits)
	}
	s.ranking.reset(logits)
	best := s.ranking.first()
	o := oddsAt(s.Temperature, logits[best])
	switch {
	case s.Temperature == 0 || !o.finite():
		return int32(best)
	case s.TopK == 0 && s.MinP == 0:
		return s.pickByLevel(o)
	}
	return s.pick(s.cut(o), o)
}

// order is the ranking of the logits that Next was given, without penalties.
func (s *Sampler) order(logits []float32) *ranking {
	if s.penalises() {
		if !allFinite(s.ranking.kernel, logits) {
			logits = s.withoutNaN(logits)
		}
		s.ranking.reset(logits)
	}
	return &s.ranking
}

// allFinite says whether there is no ∞ and no NaN among the logits: times 0 they are
// NaN, and nothing else is.
func allFinite(k *kernel.Set, logits []float32) bool {
	for block := range slices.Chunk(logits, rankBlock) {
		if k.Dot(block, zeros[:len(block)]) != 0 {
			return false
		}
	}
	return true
}

var zeros [rankBlock]float32

// withoutNaN is a copy of logits with −∞ in place of NaN.
func (s *Sampler) withoutNaN(logits []float32) []float32 {
	s.clean = append(s.clean[:0], logits...)
	for i, l := range s.clean {
		if math.IsNaN(float64(l)) {
			s.clean[i] = float32(math.Inf(-1))
		}
	}
	return s.clean
}

func (s *Sampler) cutsTopP() bool { return s.TopP > 0 && s.TopP < 1 }

// cut returns the tokens that TopK, TopP and MinP leave, the likeliest first.
func (s *Sampler) cut(o odds) []rank {
	o = o.at(1)
	left := s.share(o)
	n := 0
	for s.TopK == 0 || n < s.TopK {
		r, ok := s.ranking.at(n)
		if !ok || float64(o.of(r)) < s.MinP {
			break
		}
		n++
		if left -= weightOf(o.of(r)); left <= 0 {
			break
		}
	}
	return s.ranking.ordered[:n]
}

// share is the weight of the tokens that TopP leaves of those that TopK does.
func (s *Sampler) share(o odds) int64 {
	if !s.cutsTopP() {
		return math.MaxInt64
	}
	if s.TopK == 0 {
		return s.part(s.levels.weigh(&s.ranking, o, lastLevel))
	}
	var sum int64
	for i := range s.TopK {
		r, ok := s.ranking.at(i)
		if !ok {
			break
		}
		sum += weightOf(o.of(r))
	}
	return s.part(sum)
}

// part is the least weight that is TopP of sum.
func (s *Sampler) part(sum int64) int64 { return int64(math.Ceil(s.TopP * float64(sum))) }

// pick chooses one of the tokens kept, the likeliest of which is the first.
func (s *Sampler) pick(kept []rank, o odds) int32 {
	i, _ := find(s.weights, s.below(s.weigh(kept, o)))
	return kept[i].id()
}

// pickByLevel chooses one of the tokens that TopP leaves, which may be most of the
// vocabulary, without listing them.
func (s *Sampler) pickByLevel(o odds) int32 {
	var sum int64
	if s.cutsTopP() {
		sum = s.weighTopP(o)
	} else {
		sum = s.levels.weigh(&s.ranking, o, lastLevel)
	}
	_, tokens := s.reach(o, s.below(sum))
	return tokens[len(tokens)-1].id()
}

// weighTopP weighs the tokens that TopP leaves, level by level and together.
func (s *Sampler) weighTopP(o odds) int64 {
	one := o.at(1)
	last, kept := s.reach(one, s.part(s.levels.weigh(&s.ranking, one, lastLevel))-1)
	sum := s.levels.weigh(&s.ranking, o, last)
	rest := s.levels.sums[last] - s.weigh(kept, o) // of the tokens of that level that it does not leave
	s.levels.sums[last] -= rest
	return sum - rest
}

// reach finds the token whose weight, with those of all likelier ones, is more than
// at: it is the last of the tokens returned, which are those of its level.
func (s *Sampler) reach(o odds, at int64) (level int, tokens []rank) {
	level, rest := find(s.levels.sums[:], at)
	tokens = s.levels.list(&s.ranking, o, level)
	s.weigh(tokens, o)
	i, _ := find(s.weights, rest)
	return level, tokens[:i+1]
}

// weigh makes the weights of tokens and sums them.
func (s *Sampler) weigh(tokens []rank, o odds) (sum int64) {
	s.weights = s.weights[:0]
	for _, r := range tokens {
		w := weightOf(o.of(r))
		s.weights = append(s.weights, w)
		sum += w
	}
	return sum
}

// below is a random number from 0 to sum − 1.
func (s *Sampler) below(sum int64) int64 {
	return min(int64(s.rand.Float64()*float64(sum)), sum-1)
}

// find is the first weight that is, with those before it, more than at, and what is
// left of at without those. The sum of all must be more.
func find(weights []int64, at int64) (i int, rest int64) {
	for at >= weights[i] {
		at -= weights[i]
		i++
	}
	return i, at
}

// weightOf is a likelihood as a whole number, the likeliest token's being 2^40: what
// all tokens of a vocabulary lose together is less than float32 rounds off.
func weightOf(p float32) int64 { return int64(p * (1 << 40)) }

// odds say how likely tokens are, the likeliest being 1: e^((logit − most)/T).
type odds struct{ most, inverse, top float32 } // the largest logit, 1/T, and their product

// oddsAt bounds 1/T so that no product with the logits of a model is infinite: at a
// millionth there is no choice left, and at a million no preference.
func oddsAt(temperature float64, most float32) odds {
	inverse := float32(min(max(1/temperature, 1e-6), 1e6))
	return odds{most, inverse, float32(most * inverse)}
}

func (o odds) at(temperature float64) odds { return oddsAt(temperature, o.most) }

func (o odds) finite() bool { return math.Abs(float64(o.top)) <= math.MaxFloat32 }

func (o odds) of(r rank) float32 { return kernel.Exp(float32(r.logit()*o.inverse) - o.top) }
