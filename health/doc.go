// Package health keeps backends alive and knows whether they are.
//
// What holds at any time, and what the rest of the package serves:
//
//   - A Monitor and its state folder start at most one copy of a backend. What
//     else serves the address is watched, named, and never touched.
//   - A backend that gateway starts never stays down: it is started again at
//     once, then with growing pauses of at most half a minute, for ever.
//   - When it dies, all that it started dies with it, before the next start.
//   - When gateway is killed, the backend runs on and can go on printing, and
//     the next gateway adopts it.
//   - What is decided is decided by State.Next, a pure function; what is done is
//     done by a loop that owns the state; processes, probes and disks are waited
//     for beside it, so that none of them holds it up.
//   - A hang is not answered hastily: a backend that is frozen for some seconds,
//     or answers its probes with an error, goes on being asked.
package health
