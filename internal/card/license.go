package card

import (
	"slices"
	"strings"
)

// hubLicenses are the licenses that the hub knows by an identifier which is that of SPDX in
// lower case, at most without "-only" and "-or-later".
var hubLicenses = strings.Fields(`
	afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0
	cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0
	cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0
	cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0 ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1
	gpl-2.0 gpl-3.0 isc lgpl-2.1 lgpl-3.0 lppl-1.3c mit mpl-2.0 ms-pl ncsa ofl-1.1 osl-3.0 postgresql unlicense wtfpl zlib`)

// hubLicense is the hub's identifier of a license, "other" for one that it does not know.
func hubLicense(license string) string {
	id := strings.ToLower(strings.TrimSpace(license))
	for _, id := range []string{id, strings.TrimSuffix(strings.TrimSuffix(id, "-only"), "-or-later")} {
		if slices.Contains(hubLicenses, id) {
			return id
		}
	}
	return "other"
}

// licenseName is what the hub calls a license that it does not know: a word, which stands
// for the words that the page has.
func licenseName(license string) string {
	words := strings.FieldsFunc(strings.ToLower(license), func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.'
	})
	name := strings.Trim(strings.Join(words, "-"), ".-")
	if name == "" {
		return "other"
	}
	return name[:min(len(name), 64)]
}

// IsHubModel reports whether a text can be the name of a model on the hub, OWNER/NAME.
func IsHubModel(name string) bool {
	owner, repo, ok := strings.Cut(name, "/")
	isPart := func(s string) bool {
		return s != "" && len(s) <= 96 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") == "" && !strings.ContainsAny(s[:1]+s[len(s)-1:], "-.")
	}
	return ok && isPart(owner) && isPart(repo)
}
