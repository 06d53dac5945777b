package web

import (
	"html/template"
	"io"
	"strings"

	"bankai/server"
)

// inline makes an <svg> element of a report a document of its own. Its styles go by another
// name, since the page's policy refuses style attributes; the page sets them from there. In
// texts and attributes there is no quotation mark, so that nothing else looks like one.
var inline = strings.NewReplacer("<svg ", `<svg xmlns="http://www.w3.org/2000/svg" `, ` style="`, ` data-style="`)

// sendPicture answers with a picture for the page.
func sendPicture(x *server.Exchange, svg template.HTML) error {
	x.Writer().Header().Set("Content-Type", "image/svg+xml")
	_, err := io.WriteString(x.Writer(), inline.Replace(string(svg)))
	return err
}
