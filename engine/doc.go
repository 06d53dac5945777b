// Package engine runs a true 1-bit Qwen3 model: forward passes over batches of
// sequences, each with its own patch and key-value cache, and on top of them
// scoring and text generation.
//
// A sequence's logits have the same bits alone or in any batch, with any number
// of threads and on every kernel set; and a patch gives the same bits applied in
// place, as an [Overlay], or baked into the file. A loaded [Model] never changes; what is
// done in place is done in a [Workbench].
package engine
