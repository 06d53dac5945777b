// Package division decides which machine measures which block of an evaluator's questions,
// and what counts of what they answer: the same bits, whoever comes, goes, is slow or
// computes wrong ones. It sends nothing itself: a machine is a [Peer].
//
// Words mean one thing:
//
//   - block: some questions of a sample, whose streams a machine keeps; part: some or all
//     questions of a block, as a call asks for them
//   - query: what is asked of every part, the same in all of a call
//   - call: one call of [Divided.Values] or [Divided.Effects]; unit: a part in a call
//   - party: a peer as it takes part; request: units that a party is asked for at once
//   - dealing: who has which block, from call to call; place: where one block is
//   - conflict: units of which machines said different things; review: who was wrong there,
//     and since when
package division
