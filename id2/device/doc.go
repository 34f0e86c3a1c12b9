// Package device is an ID² device in software: the operations of the vendor's
// device client, over whatever keeps the device's identity.
//
// A [Client] makes authentication codes, opens what servers encrypt, checks what
// servers sign, derives keys and passwords, and gets its identity from a server
// with a one-time token. It has the limits of the newest published generation,
// 3.1.0, and its errors carry that client's numbers. Identity and key come from
// a [Carrier]: [Memory] and [File] hold them in software, [SecureElement] uses
// those in a chip.
//
// The vendor's calls to initialise and to clean up have no counterpart: there is
// no state beside the values of this package. A carrier that needs an open session
// is closed by whoever opened it, and [Client.Close] forgets a session key that
// still waits for its answer.
//
// References of the form "id2 §1.2" name sections of the protocol note,
// protocols/id2.md.
package device
