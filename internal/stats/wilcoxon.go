package stats

import "math"

// mostSigned is the number of differences up to which [Wilcoxon] counts all signs:
// 2^62 is the most that leaves room in a word.
const mostSigned = 62

// Wilcoxon is the signed-rank test of paired differences (F. Wilcoxon, Biometrics
// Bulletin 1, 1945). Differences of 0 are dropped, as he did; the n that are left
// are ranked by size, equal ones sharing their average rank. w is the sum of the
// ranks of the positive ones less that of the negative ones; the T of printed
// tables is (n·(n+1)/2 − |w|)/2. p is the two-sided probability of a sum as far
// from 0 if every sign were as likely as the other:
//
//   - for up to 62 differences exactly, ties as they are, by counting the signs
//     that give each sum (B. Streitberg and J. Röhmel, Statistical Software
//     Newsletter 12, 1986);
//   - for more by the normal approximation with the variance Σ rank², which
//     accounts for ties, and a correction for continuity: z = (|w|−1)/√Σ rank².
//
// Without differences w is 0 and p is 1. The differences must be numbers.
func Wilcoxon(differences []float64) (w, p float64) {
	ranks := signedRanks(differences)
	var sum, squares int64
	for _, r := range ranks {
		sum += r
		squares += r * r
	}
	w = float64(sum) / 2
	if len(ranks) <= mostSigned {
		return w, signed(ranks, sum)
	}
	return w, normalBeyond(max(0, math.Abs(w)-1) / (math.Sqrt(float64(squares)) / 2))
}

// signedRanks is twice the rank by size, with its sign, of each difference that is
// not 0.
func signedRanks(differences []float64) []int64 {
	var kept, sizes []float64
	for _, d := range differences {
		if d != 0 {
			kept, sizes = append(kept, d), append(sizes, math.Abs(d))
		}
	}
	ranks := centredRanks(sizes)
	for i, d := range kept {
		ranks[i] += int64(len(kept) + 1)
		if d < 0 {
			ranks[i] = -ranks[i]
		}
	}
	return ranks
}

// signed is the share of the 2^n choices of signs for the ranks whose sum is at
// least as far from 0 as the one seen.
func signed(ranks []int64, seen int64) float64 {
	counts := []uint64{1} // of the choices by the sum of those with a plus
	for _, r := range ranks {
		r = max(r, -r)
		more := make([]uint64, len(counts)+int(r))
		copy(more, counts)
		for s, n := range counts {
			more[s+int(r)] += n
		}
		counts = more
	}
	var far uint64
	for s, n := range counts {
		if d := int64(2*s - (len(counts) - 1)); max(d, -d) >= max(seen, -seen) {
			far += n
		}
	}
	return float64(far) / float64(uint64(1)<<len(ranks))
}
