package server

import (
	"log/slog"
	"time"
)

// tell writes the request's one line in the log, and counts it. What was asked and
// answered is in it only if that is wanted.
func (x *exchange) tell() {
	x.s.meters.count(x)
	attrs := []slog.Attr{
		slog.String("id", x.id), slog.String("api", x.api), slog.Int("status", x.w.status),
		slog.Float64("seconds", time.Since(x.began).Seconds()),
	}
	if x.sets != nil {
		used := x.used.all()
		attrs = append(attrs, slog.String("model", x.asked), slog.String("patches", headerOf(x.sets)),
			slog.Int("prompt_tokens", used.prompt), slog.Int("generated_tokens", used.generated), slog.Int("cached_tokens", used.cached),
			slog.Float64("first_token_seconds", x.first.Seconds()))
	}
	if x.ended != "" {
		attrs = append(attrs, slog.String("ended", x.ended))
	}
	if x.s.o.LogPrompts && x.sets != nil {
		attrs = append(attrs, slog.String("prompt", x.question), slog.Any("answers", x.replies))
	}
	x.s.log.LogAttrs(x.r.Context(), slog.LevelInfo, "request", attrs...)
}
