package pcsc

import "fmt"

// Code is a result of PC/SC other than success. As an error it says why the
// daemon did not do what it was asked.
type Code uint32

// The results that a user of a card meets.
const (
	InvalidHandle      Code = 0x80100003
	UnknownReader      Code = 0x80100009
	Timeout            Code = 0x8010000A
	SharingViolation   Code = 0x8010000B
	NoCard             Code = 0x8010000C
	ProtocolMismatch   Code = 0x8010000F
	CommunicationError Code = 0x80100013
	NotTransacted      Code = 0x80100016
	ReaderUnavailable  Code = 0x80100017
	ServiceStopped     Code = 0x8010001E
	UnsupportedCard    Code = 0x80100065
	UnresponsiveCard   Code = 0x80100066
	UnpoweredCard      Code = 0x80100067
	ResetCard          Code = 0x80100068
	RemovedCard        Code = 0x80100069
)

var codeTexts = map[Code]string{
	InvalidHandle:      "the session is gone",
	UnknownReader:      "the reader is gone",
	Timeout:            "it took too long",
	SharingViolation:   "another program uses the card",
	NoCard:             "no card in the reader",
	ProtocolMismatch:   "the card speaks neither T=0 nor T=1",
	CommunicationError: "the daemon lost its connection",
	NotTransacted:      "the card did not take the command",
	ReaderUnavailable:  "the reader is gone",
	ServiceStopped:     "the daemon stops, or speaks another version",
	UnsupportedCard:    "the reader does not understand the card",
	UnresponsiveCard:   "the card does not respond",
	UnpoweredCard:      "the card has no power",
	ResetCard:          "the card was reset by another program",
	RemovedCard:        "the card was removed",
}

// Error returns a short text with the number.
func (c Code) Error() string {
	text, known := codeTexts[c]
	if !known {
		text = "PC/SC failed"
	}
	return fmt.Sprintf("pcsc: %s (%08X)", text, uint32(c))
}
