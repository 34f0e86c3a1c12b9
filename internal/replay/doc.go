// Package replay is the single-use guard. It answers "first" exactly once for
// each authentication code, across crashes, restarts, copied directories and
// clock jumps. [Shared] is the guard of any number of processes over a store that
// they share; all else here is [Local], that of a server which runs as one
// process over an embedded store.
//
// Two kinds of code need two kinds of memory. A challenge is issued by this
// process and dies with its epoch, so [Window] remembers spent challenges in
// memory alone. A timestamp code is made by a device and stays acceptable for
// minutes whatever the server does in between, so [Journal] writes each one to
// disk before it is answered. [Lock] keeps a second process away from both.
//
// # The journal's directory
//
// The directory holds numbered segments of 32-byte records, of which only the
// newest is appended to, and one file named "floor". The floor file is
// replaced by rename and is the only authority on what the directory holds: it
// carries the floor, the list of segments and, for each segment that is no
// longer written to, how many records it has and the newest timestamp in it.
// A segment it does not list holds nothing that matters and is removed.
//
// # Invariants
//
//   - A record is on disk before its code is answered: one fdatasync serves
//     all codes that wait.
//   - A new segment, its directory entry and then the floor file that lists it
//     are on disk before the first record is written to it.
//   - The floor only rises. A code with a timestamp at or below it is refused.
//   - A segment is deleted when its newest timestamp + skew is in the past.
//     The floor file that no longer lists it carries a floor that covers it
//     and is on disk before the file goes or a key of it leaves memory. So an
//     accepted code is at any moment either in memory or below the floor,
//     however the clock moves.
//   - After a failed write or sync nothing is answered and nothing is retried:
//     the state of the pages is unknown until the file is read again by a new
//     process.
//
// # Torn tail and damage
//
// A batch is written only after the fdatasync of the batch before it returned.
// A crash can therefore harm one batch, the last one written, and what it
// leaves of it can be any mixture of good records, zeros and rubbish, but
// nothing can lie beyond its end. Nobody was answered about that batch, so it
// is cut off at the next start. Each record carries its batch number and how
// many records of the batch follow, so the extent of a broken batch is known
// from any record of it, and failing that bounded by the largest batch. Bytes
// beyond that extent, a record of any other batch after the first bad one, a
// bad record in a segment that is no longer written to, a wrong length, a
// missing segment or an unreadable floor file is damage: records may be lost
// that were answered. A broken last batch is read as torn even where a bit has
// rotted in it after it was answered; only a stop that was not clean leaves a
// segment in which this can happen.
//
// # When the memory is gone
//
// After damage, or when the directory is missing although the store is not
// empty, every code a device may have sent until now is unknown. The floor is
// then set to now + skew: codes are accepted again once devices stamp them
// later than that, after ten minutes by default. The same happens to a
// directory that was copied or restored, because the original may have
// accepted codes since. Each file carries the identity of the file it was
// written to (on Linux the file system's own handle, which holds the inode and
// its generation), and the floor file that of the directory, so a copy is
// known by disagreeing with itself. Where a file system has no handles, device
// and inode numbers have to do; if it gets another device number at each mount,
// as the top layer of a container does, each start after one looks like that of
// a copy: keep the directory on a volume. A snapshot of the whole file system or
// virtual machine keeps these identities: after rolling back to one, delete
// the guard directory before the start.
//
// # A floor in the future
//
// If the clock was ahead when the floor was set, codes are refused until real
// time passes it. [Journal.Floor] shows it. The operator's remedy, once the
// clock is right: stop the server, delete the guard directory, start. Codes
// are then refused for the skew only.
package replay
