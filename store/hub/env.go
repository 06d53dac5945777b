package hub

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Folder is where the hub's cache lies: HF_HUB_CACHE, or hub in HF_HOME, or in the
// user's folder for caches.
func Folder() (string, error) {
	for _, name := range []string{"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"} {
		if dir := os.Getenv(name); dir != "" {
			return filepath.Abs(expanded(dir))
		}
	}
	home, err := home()
	if err != nil {
		return "", err
	}
	return filepath.Join(home, "hub"), nil
}

// home is where Hugging Face's programs keep what is the user's.
func home() (string, error) {
	if dir := os.Getenv("HF_HOME"); dir != "" {
		return filepath.Abs(expanded(dir))
	}
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Abs(filepath.Join(expanded(dir), "huggingface"))
	}
	dir, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("there is no home folder for the cache of models: name one with HF_HOME")
	}
	return filepath.Join(dir, ".cache", "huggingface"), nil
}

// expanded is a path as Python reads it from a variable: with ~ and $NAME.
func expanded(path string) string {
	if rest, ok := strings.CutPrefix(path, "~"); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
		if dir, err := os.UserHomeDir(); err == nil {
			path = dir + rest
		}
	}
	return os.Expand(path, func(name string) string {
		if value, ok := os.LookupEnv(name); ok {
			return value
		}
		return "$" + name
	})
}

// token is the user's token for the hub, empty without one.
func token() (string, error) {
	for _, name := range []string{"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} {
		if value := strings.TrimSpace(os.Getenv(name)); value != "" {
			return value, checkToken(name, value)
		}
	}
	file := expanded(os.Getenv("HF_TOKEN_PATH"))
	if file == "" {
		dir, err := home()
		if err != nil {
			return "", nil
		}
		file = filepath.Join(dir, "token")
	}
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > 1<<12 {
		return "", nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return "", nil // a file of somebody else
	}
	value := strings.TrimSpace(string(data))
	return value, checkToken(file, value)
}

// checkToken refuses a token that cannot stand in a header. It is not repeated.
func checkToken(from, value string) error {
	if strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return fmt.Errorf("%s: is no token: it has spaces or other characters that none has", from)
	}
	return nil
}

// isTrue reads a variable as Python does.
func isTrue(name string) bool {
	return slices.Contains([]string{"1", "ON", "YES", "TRUE"}, strings.ToUpper(os.Getenv(name)))
}
