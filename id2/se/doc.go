// Package se talks to secure elements that run the ID² applet: the driver
// interface that a chip's maker implements, the APDU codec, and the applet's
// commands.
//
// A [Driver] opens a [Session], the three functions of the vendor's interface
// (se_open_session, se_transmit, se_close_session). [Open] selects the applet in
// it and returns an [Applet], which splits long data into blocks, fetches what the
// card announces with 61xx and repeats what it corrects with 6Cxx. Errors of the
// card are values of [Status].
//
// Secure messaging (GlobalPlatform SCP02 and SCP03) is left to the driver: a
// command of class 84 is handed to it as it is.
//
// Package id2/se/virtual is a card in software; package id2/device makes a
// device of an applet.
//
// References of the form "id2 §7" name sections of the protocol note,
// protocols/id2.md.
package se
