package experiment

// atLeast is the exact probability that of independent guesses, which are right
// with the given probabilities, so many or more are: a one-sided binomial test
// where all are equal, and of the Poisson binomial distribution where they are not.
// Guess by guess, the probability of every count is
//
//	P(k) ← P(k)·(1−p) + P(k−1)·p,
//
// a sum of positive terms, so rounding is below n·2⁻⁵² of the value.
func atLeast(right int, chances []float64) float64 {
	counts := make([]float64, len(chances)+1) // P(k) of the guesses so far
	counts[0] = 1
	for n, p := range chances {
		for k := n + 1; k > 0; k-- {
			counts[k] = float64(counts[k]*(1-p)) + float64(counts[k-1]*p)
		}
		counts[0] = float64(counts[0] * (1 - p))
	}
	sum := 0.0
	for k := len(chances); k >= right; k-- {
		sum += counts[k]
	}
	return min(sum, 1)
}
