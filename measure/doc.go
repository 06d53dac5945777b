// Package measure says what a patch is worth, and whether the probes that say
// so can be trusted.
//
// [Audit] looks for the known ways in which a probe set misleads a search.
// [Measure] lets a model answer a set greedily and [Compare] sets two such
// measurements side by side: which answers the patch fixed, which it broke, and
// how likely such a split would be if it did nothing (McNemar's test).
package measure
