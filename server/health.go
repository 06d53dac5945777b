package server

import "net/http"

// health answers GET /health, which whoever starts or watches the server asks: 200 when
// requests are taken, 503 before and after.
func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	status, word := http.StatusOK, "ok"
	if _, err := s.model(); err != nil {
		f := failureOf(err)
		f.headers(w.Header())
		status, word = f.status, f.code
	}
	writeJSON(w, status, struct {
		Status string `json:"status"` // "loading", "ok" or "draining"
	}{word})
}
