// Package hub finds and downloads published models and patches: from Hugging Face, into
// the cache that its Python library keeps, and from what Ollama holds on this machine.
//
// A [Ref] is what people call one: hf:OWNER/REPO[@REVISION][/FILE], ollama:NAME[:TAG], or
// the short name of a published model, as bonsai-8b. [Client.Pull] downloads what it
// means; [Find] says, without a network, where it lies.
//
// The cache is shared with Python both ways: for every repository a folder
// models--OWNER--REPO, in it blobs by their digests, snapshots of commits that link to
// them, and refs that say which commit a branch was at. A blob gets its name only after
// its bytes were hashed; before, it ends in .incomplete, and the next download goes on
// from there.
package hub
