package server

import (
	"fmt"
	"net/http"
	"strings"

	"bankai/internal/text"
)

// ollamaVersion is that of the Ollama whose API is answered here. Clients look whether it
// is new enough for what they want; this one was the first with log-probabilities.
const ollamaVersion = "0.12.11"

// ollamaTable is Ollama's API, for programs that know no other.
func (s *Server) ollamaTable() []route {
	return []route{
		{"GET /api/version", s.answer("ollama_models", ollama, s.version)},
		{"GET /api/tags", s.answer("ollama_models", ollama, s.ollamaTags)},
		{"GET /api/ps", s.answer("ollama_models", ollama, s.ollamaRunning)},
		{"POST /api/show", s.answer("ollama_models", ollama, s.ollamaShow)},
		{"POST /api/chat", s.answer("ollama_chat", ollama, s.ollamaChat)},
		{"POST /api/generate", s.answer("ollama_generate", ollama, s.ollamaGenerate)},
		{"POST /api/embed", s.answer("embeddings", ollama, s.embed)},
		{"POST /api/embeddings", s.answer("embeddings", ollama, s.embed)},
		{"POST /api/pull", s.answer("ollama_models", ollama, s.manage)},
		{"POST /api/push", s.answer("ollama_models", ollama, s.manage)},
		{"POST /api/create", s.answer("ollama_models", ollama, s.manage)},
		{"POST /api/copy", s.answer("ollama_models", ollama, s.manage)},
		{"DELETE /api/delete", s.answer("ollama_models", ollama, s.manage)},
		{"/api/blobs/{digest}", s.answer("ollama_models", ollama, s.manage)},
	}
}

// ollama tells of a failure as Ollama's clients parse it: in a string. Some look in it for
// the words about a model that is not there.
func ollama(f *failure) any {
	message := f.message
	if f.model != "" {
		message = fmt.Sprintf("model '%s' not found", f.model)
	}
	return struct {
		Error string `json:"error"`
	}{text.Clip(message, maxMessage)}
}

// dialectOf is how failures are worded where a request goes, whether or not there is
// anything.
func dialectOf(r *http.Request) dialect {
	path := r.URL.Path
	if strings.HasPrefix(path, "/api/") && path != "/api/patches" && !strings.HasPrefix(path, "/api/patches/") {
		return ollama
	}
	return openAI
}

// version answers GET /api/version.
func (s *Server) version(x *exchange) error {
	return x.document(struct {
		Version string `json:"version"`
	}{ollamaVersion})
}

// manage answers requests to change which models there are.
func (s *Server) manage(*exchange) error {
	return &failure{
		status: http.StatusNotImplemented, kind: kindUnsupported, code: "not_supported", never: true,
		message: "this server has the one model that it was started with: patches of it come by PUT /api/patches/NAME and go by DELETE",
	}
}
