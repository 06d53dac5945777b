// Package server answers over HTTP, in the words of OpenAI's API and of Ollama's, with a
// patch set for each request.
//
// A [Server] listens before its model is loaded and says so. Serve gives it a model and
// patches by name; from then on a request chooses, by the name of its model or by its
// field "patches", which of them it is answered under. Requests under different sets run
// in one batch, and each gives the same bytes as alone.
//
// From bytes to bytes a request goes through: access (who may ask), fields (what the
// body says, and that nothing in it is passed over), names and registry (which patches),
// a job (what is to be generated), a run (what comes of it), and one of the files that
// write an API's answers.
package server
