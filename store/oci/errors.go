package oci

import (
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"regexp"
	"strings"
	"syscall"

	"bankai/internal/text"
)

// trimmed is an error on one line that is not too long, without the address that was
// asked: registries put what they like into both, and addresses may hold secrets.
type trimmed struct{ error }

func (t trimmed) Unwrap() error { return t.error }

func (t trimmed) Error() string {
	err := t.error
	var asked *url.Error
	if errors.As(err, &asked) {
		err = asked.Err
	}
	return text.Clip(text.Line(request.ReplaceAllString(err.Error(), "")), 300)
}

// request is how an error of the client's library names what was asked.
var request = regexp.MustCompile(`\b(GET|HEAD|PUT|POST|DELETE) "[^"]*":? *`)

// advice is what to do about an error of the network, "" if there is nothing to say.
func advice(err error) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return ": check the name of the registry, and the network"
	case errors.Is(err, syscall.ECONNREFUSED):
		return ": is the registry running there?"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return ": if that is meant, name the certificate of its authority in SSL_CERT_FILE"
	case strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return ": it speaks no TLS; if that is meant, give --plain-http"
	case errors.As(err, new(*cut)):
		return ": try again"
	}
	return ""
}

// hostname is a registry without its port.
func hostname(registry string) string {
	return (&url.URL{Host: registry}).Hostname()
}
