// Package mail puts notices on a wire: it composes mails, hands them to an SMTP
// server or a chat's webhook, and keeps them in a folder until somebody has
// taken them.
//
// What holds at every moment:
//
//   - A notice that Outbox.Put accepted without an error is on the disk. It stays
//     there until every receiver has it, has refused it for good, or Outbox gave
//     up on it; in the last two cases it is moved to the folder of dead letters.
//   - A notice is delivered at least once. Its Message-ID never changes, so that a
//     second copy is recognised as one.
//   - Nothing waits for ever: an exchange with a server has one limit in all,
//     whatever the server does or leaves undone.
//   - A password or a webhook's URL is in no log, error, transcript or file that
//     this package writes.
//
// It knows nothing of backends and incidents: what a notice says is worded by its
// caller.
package mail
