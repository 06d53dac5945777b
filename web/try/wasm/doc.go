// Command wasm is the engine for browsers: a program for GOOS=js and GOARCH=wasm that a
// page's worker starts, and that answers it until the worker ends. It needs nothing of the
// rest of the page, and no network: the worker hands it the bytes of models and patches.
//
// It sets globalThis.bankai to an object of functions. Each returns a promise; what goes
// wrong rejects it with an Error that says what, in a line.
//
//	open(name, bytes)            facts of the model, which is loaded; an earlier one is let go
//	patch(name, bytes)           facts of a patch, which is checked for the model and kept
//	generate(request, tell)      continues a prompt; tell hears of every token, and of the end
//	stop()                       ends what is generated
//	logits(request)              the SHA-256 of all logits of a prompt's next token
//
// Requests and facts are the documents of this package, as JSON. Computation yields to the
// worker between tokens, so that stop is heard.
package main
