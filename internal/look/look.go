// Package look is how pages look: the style sheet of the reports, of the page that a server
// shows and of the one that runs in a browser alone, so that they are one house. Colours
// are custom properties, light or dark as the reader's system is.
package look

import (
	_ "embed"

	"bankai/internal/chart"
)

//go:embed style.css
var style string

// Style is the style sheet of all pages and of the pictures on them.
var Style = style + chart.Style
