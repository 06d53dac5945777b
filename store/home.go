package store

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// HomeVariable names the folder of the library.
const HomeVariable = "BANKAI_HOME"

// Home is the folder of the user's library: what BANKAI_HOME names, or else bankai in
// the platform's folder for data. It need not be there.
func Home() (string, error) {
	if dir := os.Getenv(HomeVariable); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := dataFolder()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "bankai"), nil
}

// errNoHome says that there is no place for a library.
var errNoHome = errors.New("there is no home folder for the library: set " + HomeVariable + " to one")

// dataFolder is where programs of the user keep data: XDG_DATA_HOME or ~/.local/share,
// on macOS ~/Library/Application Support, on Windows %LocalAppData%.
func dataFolder() (string, error) {
	switch runtime.GOOS {
	case "windows":
		if dir := os.Getenv("LocalAppData"); dir != "" {
			return dir, nil
		}
		return "", errNoHome
	case "darwin", "ios":
		return underHome("Library", "Application Support")
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) { // others are to be ignored
		return dir, nil
	}
	return underHome(".local", "share")
}

func underHome(parts ...string) (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errNoHome
	}
	return filepath.Join(append([]string{home}, parts...)...), nil
}

// ownKeys are the files of the user's own keys, which lie in the library's folder unless
// they are put elsewhere.
var ownKeys = []string{"bankai.key", "bankai.pub"}
