// Package device is an ID² device in software: the operations of the vendor's
// device client, over whatever keeps the device's identity.
//
// A [Client] makes authentication codes, opens what servers encrypt and checks
// what servers sign. It has the limits of the newest published generation,
// 3.1.0, and its errors carry that client's numbers. Identity and key come from
// a [Carrier]: [Memory] and [File] hold them in software, [SecureElement] uses
// those in a chip.
//
// References of the form "id2 §1.2" name sections of the protocol note,
// protocols/id2.md.
package device
