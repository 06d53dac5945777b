// Package cluster lets several machines work on one search, evaluation or experiment,
// with the same bits as one machine.
//
// The machines talk through a NATS server: one of their own, or the one that a
// [Broker] is, in the coordinator's process. The coordinator opens a [Session] on its
// model; a [Worker] takes part in the sessions that it finds, if its model, program
// and arithmetic give the same bits. A worker computes our own measurements on models
// and inputs that it checks by digest. It is sent no programs and no paths.
//
// A session divides two kinds of work, each in a package of its own that knows nothing of
// NATS: [bankai/internal/cluster/division] measures the blocks of an evaluator's questions
// where their streams are, and [bankai/internal/cluster/desk] hands out units of questions
// and requests to a model. Whole searches are a third kind, here. These packages say what
// is asked of whom and what counts; this one brings it there and back.
//
// Words mean one thing:
//
//   - machine: a computer with the model; here: that of the coordinator, who asks
//   - worker: a machine that takes part; member: a worker in a session
//   - unit: the least that a machine is given, and that another may check: a part of what
//     is measured, or some questions or requests to the model
//   - search: a whole one that one machine runs
//   - record: what is kept or announced for others to read, as JSON
//   - frame: one message of measuring; piece: what a frame has of something longer
//   - beat: a worker's sign of life
//
// The user of an existing NATS server needs these rights, on a server with JetStream:
//
//   - publish to bankai.>, $JS.API.>, $JS.ACK.>, $O.bankai-objects.>, $KV.>, $SRV.> and
//     _INBOX.>
//   - subscribe to bankai.>, $SRV.> and _INBOX.>
package cluster
