//go:build linux && cgo

// Command libid2 is the C library libid2: the functions of id2_client.h over
// package id2/device. It is no program; make libid2 builds it, and docs/device.md
// tells how to use it.
//
// The way of a call: id2_client.c asks guard.c whether the process may enter Go;
// exports.go and exports_provision.go turn C's arguments into Go's; library.go
// holds what id2_client_init has opened, in a store (store.go) or through the
// program's driver of a secure element (element.go, driver.c).
package main

func main() {} // never called: C has its own
