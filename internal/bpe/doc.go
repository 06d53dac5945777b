// Package bpe is the byte-level BPE tokenizer of Qwen3 and Qwen3.5, made from the vocabulary
// that a GGUF file carries. It gives the ids that Hugging Face's tokenizers give.
//
// A text becomes ids in these steps:
//
//  1. Malformed UTF-8 becomes U+FFFD, one for each maximal subpart.
//  2. Special tokens (<|im_start|>, <think>) are cut out as they stand.
//  3. What lies between them is normalised to form C (nfc.go) and
//  4. split into pieces: words, digits, runs of punctuation, white space (split.go).
//  5. The UTF-8 bytes of each piece are merged, pair by pair, in the order in which
//     the vocabulary's merges were learnt (merge.go).
//
// Steps 3 and 4 depend on the edition of Unicode. Qwen3's reference implementation
// mixes two: its regular expressions know Unicode 16.0.0, its normaliser knows
// Unicode 9.0.0. The tables are part of this package and do not change with the Go
// release.
package bpe

//go:generate go run ./gen UnicodeData.txt
