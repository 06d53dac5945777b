// Package signature signs patches, and says who signed them, in minisign's format:
// minisign itself makes and checks the same keys and signatures.
//
// What is signed is the compact form of a patch, whatever file it was read from.
// [Sign] makes a signature with a [SecretKey], [Check] finds which of some keys made
// one, and [Trust] is whom a user believes, and about what.
package signature
