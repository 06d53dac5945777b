// Command schema asks a running bankai serve what clients ask, and checks every answer
// against OpenAI's description of its API:
//
//	OPENAI_OPENAPI=openapi.yaml go run -C server/clients/schema . http://127.0.0.1:8181
//
// The description is the file openapi.yaml of the repository openai/openai-openapi, of
// which nothing is kept here. This is a module of its own, so that what reads such files
// is no dependency of the program.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

func main() {
	fits, err := run(os.Args[1:])
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(2)
	case !fits:
		os.Exit(1)
	}
}

func run(args []string) (fits bool, err error) {
	path := os.Getenv("OPENAI_OPENAPI")
	if path == "" || len(args) != 1 {
		return false, errors.New("set OPENAI_OPENAPI to the file openapi.yaml, and give the address of a server, such as http://127.0.0.1:8181")
	}
	c, err := newChecker(path, args[0])
	if err != nil {
		return false, err
	}
	all, err := c.questions()
	if err != nil {
		return false, err
	}
	for _, q := range all {
		if err := c.check(q); err != nil {
			return false, err
		}
	}
	return c.fits, nil
}

// checker checks the answers of one server.
type checker struct {
	server      string
	description *openapi3.T
	options     []openapi3.SchemaValidationOption
	fits        bool // every answer so far
}

// newChecker reads the description.
func newChecker(path, server string) (*checker, error) {
	d, err := openapi3.NewLoader().LoadFromFile(path)
	if err != nil {
		return nil, err
	}
	c := &checker{server: strings.TrimSuffix(server, "/"), description: d, fits: true}
	// Versions of OpenAPI from 3.1 on have JSON Schema itself, which says more.
	if strings.HasPrefix(d.OpenAPI, "3.0") {
		c.options = append(c.options, openapi3.MultiErrors(), openapi3.DisableSchemaErrorDetails())
	} else {
		c.options = append(c.options, openapi3.EnableJSONSchema2020())
	}
	return c, nil
}

// check asks one question, and says how the answer fits. The error is that there is none.
func (c *checker) check(q question) error {
	status, documents, err := c.ask(q)
	if err != nil {
		return fmt.Errorf("%s: %w", q.what, err)
	}
	schema := q.schema
	if status != http.StatusOK {
		schema = "ErrorResponse"
	}
	s := c.description.Components.Schemas[schema]
	if s == nil || s.Value == nil {
		return fmt.Errorf("the description has no schema %s", schema)
	}
	word := "fits"
	var faults []error
	for i, d := range documents {
		if q.mend != nil {
			q.mend(d)
		}
		if err := s.Value.VisitJSON(d, c.options...); err != nil {
			faults = append(faults, fmt.Errorf("document %d: %w", i+1, err))
		}
	}
	if len(faults) > 0 || len(documents) == 0 {
		c.fits, word = false, "FAILS"
	}
	fmt.Printf("%-5s  %-35s  %d, %2d documents  %s\n", word, schema, status, len(documents), q.what)
	if err := errors.Join(faults...); err != nil {
		fmt.Println(err)
	}
	return nil
}

// ask returns the documents of an answer: one, or those of its events.
func (c *checker) ask(q question) (status int, documents []any, err error) {
	method := http.MethodPost
	if q.body == "" {
		method = http.MethodGet
	}
	r, err := http.NewRequest(method, c.server+q.path, strings.NewReader(q.body))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+os.Getenv("BANKAI_API_KEY"))
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, nil, err
	}
	for _, text := range pieces(answer.Header.Get("Content-Type"), body) {
		var d any
		if err := json.Unmarshal(text, &d); err != nil {
			return 0, nil, fmt.Errorf("%w: %s", err, text)
		}
		documents = append(documents, d)
	}
	return answer.StatusCode, documents, nil
}

// pieces are the JSON texts of an answer.
func pieces(contentType string, body []byte) (all [][]byte) {
	if contentType != "text/event-stream" {
		return [][]byte{body}
	}
	for line := range bytes.Lines(body) {
		if data, ok := bytes.CutPrefix(bytes.TrimSpace(line), []byte("data: ")); ok && string(data) != "[DONE]" {
			all = append(all, data)
		}
	}
	return all
}
