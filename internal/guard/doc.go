// Package guard makes, of a model alone, what a patch must not change there: a
// general guard against harm that nobody thought of.
//
// It has two sources. A built-in list of prompts asks about many things in many
// languages, and what the unpatched model answers is kept. And the model itself is
// sampled: what it says at temperature 1 without a prompt is made of all that it was
// trained on, in the right shares. Of a chat model it is the user's turn that is
// sampled, behind the template's beginning, and then the answer (Xu et al., Magpie,
// arXiv 2406.08464).
//
// Of a plain model's answers only those count of which it is sure, as far as there are
// any: a beginning that can go on in many ways goes on otherwise after any patch.
//
// What resembles the prompts that a search is to change is left out. The rest is
// divided: a search is held to one part, and the other is never searched on, so that
// it can be measured what the patch changed where nobody looked.
package guard
