// Package oci carries patches to and from OCI registries, where container images lie,
// and OCI layouts, which are folders or tar files of the same content.
//
// An [Artifact] is what travels: the bytes of a patch, and what was attached to it:
// signatures, a model card, probe sets and reports. [Push] sends one to a [Ref], [Pull]
// brings one back and checks all that came in. FORMAT.md describes the manifests.
//
// The package knows what a patch is. It knows neither libraries nor keys: whether a
// signature is good is for others to say.
package oci
