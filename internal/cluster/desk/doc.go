// Package desk lets several machines answer questions and requests to a model, with the
// bits of one machine. A [Desk] cuts them into units, gives these to workers by a
// [Carrier], takes the answers, checks some, and computes here what nobody else has done.
//
// Words mean one thing:
//
//   - unit: questions or requests under one patch, which one machine answers in one go
//   - payload: a unit as it is sent
//   - call: one call of [Desk.Score] or [Desk.Generate]; task: a unit in a call
//   - answers: those of a unit; settled: that they count
package desk
