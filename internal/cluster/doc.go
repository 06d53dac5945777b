// Package cluster lets several machines work on one search, evaluation or experiment,
// with the same bits as one machine.
//
// The machines talk through a NATS server: one of their own, or the one that a
// [Broker] is, in the coordinator's process. The coordinator opens a [Session] on its
// model; a [Worker] takes part in the sessions that it finds, if its model, program
// and arithmetic give the same bits. A worker computes our own measurements on models
// and inputs that it checks by digest. It is sent no programs and no paths.
//
// The user of an existing NATS server needs these rights, on a server with JetStream:
//
//   - publish to bankai.>, $JS.API.>, $JS.ACK.>, $O.bankai-objects.>, $KV.>, $SRV.> and
//     _INBOX.>
//   - subscribe to bankai.>, $SRV.> and _INBOX.>
package cluster
