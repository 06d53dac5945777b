package server

import (
	"fmt"
	"strings"
	"time"

	"bankai/engine"
	"bankai/internal/text"
)

// ollamaModel describes a model as Ollama lists it.
type ollamaModel struct {
	Name     string        `json:"name"`
	Model    string        `json:"model"` // the same: some clients read one, some the other
	Modified string        `json:"modified_at"`
	Size     int64         `json:"size"`   // of the model's file and of its patches
	Digest   string        `json:"digest"` // of the model, or of what the patches flip in it
	Details  ollamaDetails `json:"details"`
}

type ollamaDetails struct {
	Parent     string   `json:"parent_model"` // the model without the patches
	Format     string   `json:"format"`
	Family     string   `json:"family"`
	Families   []string `json:"families"`
	Parameters string   `json:"parameter_size"`
	Level      string   `json:"quantization_level"`
}

// tagged is a model's id as Ollama writes names: with a tag.
func (l *loaded) tagged(s *patchSet) string {
	id := s.id(l.name)
	if len(s.patches) == 0 && !strings.Contains(id, ":") {
		id += ":" + latest
	}
	return id
}

func (l *loaded) ollamaModel(s *patchSet) ollamaModel {
	name := l.tagged(s)
	m := ollamaModel{
		Name: name, Model: name, Modified: l.made(s).UTC().Format(time.RFC3339Nano),
		Size: l.model.Weights().Size(), Digest: l.model.Digest().String(), Details: l.ollamaDetails(),
	}
	for _, p := range s.patches {
		m.Size += p.Size
	}
	if len(s.patches) > 0 {
		m.Digest, m.Details.Parent = s.digest.String(), l.tagged(&patchSet{})
	}
	return m
}

func (l *loaded) ollamaDetails() ollamaDetails {
	family := l.model.Config().Architecture
	d := ollamaDetails{Format: "gguf", Family: family, Families: []string{family}, Parameters: inShort(l.parameters), Level: "Q1_0"}
	if strings.HasPrefix(l.model.Weights().Origin(), "MLX") {
		d.Format = "safetensors"
	}
	return d
}

// parametersOf counts the weights of a model.
func parametersOf(m *engine.Model) (n int64) {
	for _, t := range m.Weights().Tensors() {
		n += int64(t.Rows) * int64(t.Cols)
	}
	return n
}

// inShort is a number of parameters as Ollama writes it: 8.19B, 494M, 337K.
func inShort(n int64) string {
	switch {
	case n >= 999_500_000:
		return text.ThreeDigits(float64(n)/1e9) + "B"
	case n >= 999_500:
		return text.ThreeDigits(float64(n)/1e6) + "M"
	}
	return text.ThreeDigits(float64(n)/1e3) + "K"
}

// ollamaTags answers GET /api/tags.
func (s *Server) ollamaTags(x *exchange) error {
	var list struct {
		Models []ollamaModel `json:"models"`
	}
	for _, m := range x.models() {
		list.Models = append(list.Models, x.ollamaModel(m))
	}
	return x.document(list)
}

// ollamaRunning answers GET /api/ps: the model is loaded as long as the server runs, and
// patches take no memory to speak of.
func (s *Server) ollamaRunning(x *exchange) error {
	type running struct {
		ollamaModel
		Expires string `json:"expires_at"`
		VRAM    int64  `json:"size_vram"`
		Context int    `json:"context_length"`
	}
	never := x.since.AddDate(100, 0, 0)
	return x.document(struct {
		Models []running `json:"models"`
	}{[]running{{x.ollamaModel(&patchSet{}), never.UTC().Format(time.RFC3339Nano), 0, x.model.Context()}}})
}

// ollamaShow answers POST /api/show.
func (s *Server) ollamaShow(x *exchange) error {
	f, err := x.read()
	if err != nil {
		return err
	}
	f.alias("model", "name") // its name of old
	f.only("system", "the model has no system message of its own", `""`)
	f.only("template", "the model has its own", `""`)
	f.only("options", "they are for chats and texts", "{}")
	f.only("verbose", "the tokenizer's lists are not told", "false")
	set, _, err := x.under(f, s.o)
	if err == nil {
		err = f.end()
	}
	if err != nil {
		return err
	}
	m := x.ollamaModel(set)
	return x.document(struct {
		Parameters   string         `json:"parameters"`
		Template     string         `json:"template"`
		Details      ollamaDetails  `json:"details"`
		Info         map[string]any `json:"model_info"`
		Capabilities []string       `json:"capabilities"`
		Modified     string         `json:"modified_at"`
	}{x.settings(), x.model.Weights().Tokenizer().ChatTemplate, m.Details, x.modelInfo(), x.abilities.names(), m.Modified})
}

// settings are the options of requests that do not say otherwise, one a line.
func (l *loaded) settings() string {
	var b strings.Builder
	for _, o := range []struct {
		name  string
		value any
	}{
		{"temperature", drawing.Temperature},
		{"top_k", drawing.TopK},
		{"top_p", drawing.TopP},
		{"min_p", drawing.MinP},
		{"num_predict", chatTokens},
		{"num_ctx", l.model.Context()},
	} {
		fmt.Fprintf(&b, "%-30s %v\n", o.name, o.value)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// modelInfo is what the model is made of, under the keys of GGUF.
func (l *loaded) modelInfo() map[string]any {
	c := l.model.Config()
	info := map[string]any{
		"general.architecture": c.Architecture, "general.parameter_count": l.parameters,
		"general.basename": l.name, // which editors show
	}
	if c.Name != "" {
		info["general.name"] = c.Name
	}
	for key, value := range map[string]any{
		"block_count": c.Layers, "context_length": l.model.Context(), "embedding_length": c.Hidden, "feed_forward_length": c.FFN,
		"attention.head_count": c.Heads, "attention.head_count_kv": c.KVHeads,
		"attention.key_length": c.HeadDim, "attention.value_length": c.HeadDim,
		"attention.layer_norm_rms_epsilon": c.RMSEps, "rope.freq_base": c.RopeTheta, "vocab_size": c.Vocab,
	} {
		info[c.Architecture+"."+key] = value
	}
	return info
}
