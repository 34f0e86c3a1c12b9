// Package id2 implements the ID² device identity protocol: the texts and
// signatures that devices and servers exchange, for every key type and every
// published generation of the device client.
//
// The package holds pure functions. It opens no file or socket, reads no clock
// and draws no randomness of its own: what needs random bytes takes an
// [io.Reader]. (Go's RSA, P-256 and SM2 implementations mix in or use the
// system's generator instead of the reader; results of those three are never
// reproducible from it.)
//
// A server uses [ParseAuthCode], [AppendMessage] and [Key.Verify] to check a
// device, [Key.Encrypt] to send it data and [Key.ServerCode] to prove itself. A
// device uses [PrivateKey] and [CheckServerCode]; package id2/device puts them
// together into a client.
//
// References of the form "id2 §1.2" name sections of the protocol note,
// protocols/id2.md.
package id2
