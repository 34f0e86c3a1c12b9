package se

import "fmt"

// Status is the status word of a card's answer (id2 §7). As an error it stands
// for a command that the card did not carry out.
type Status uint16

// The status words of the applet (id2 §7). Those that end in XX are the first
// of a group, see [Status.Group].
const (
	StatusOK              Status = 0x9000
	StatusMoreXX          Status = 0x6100 // answer waits for GET RESPONSE
	StatusWrongLeXX       Status = 0x6C00 // repeat with this Le
	StatusDataCorrupt     Status = 0x6281
	StatusDeactivated     Status = 0x6283
	StatusTriesXX         Status = 0x63C0 // PIN wrong, tries left in the last digit
	StatusMoreData        Status = 0x6310 // rest of the answer is to be read
	StatusMemory          Status = 0x6581 // EEPROM
	StatusLength          Status = 0x6700
	StatusState           Status = 0x6901
	StatusFileType        Status = 0x6981
	StatusSecurity        Status = 0x6982
	StatusKeyBlocked      Status = 0x6983
	StatusNoRandom        Status = 0x6984 // no valid challenge
	StatusConditions      Status = 0x6985
	StatusNotAllowed      Status = 0x6986
	StatusMACMissing      Status = 0x6987
	StatusMACWrong        Status = 0x6988
	StatusData            Status = 0x6A80 // data wrong, or verification failed
	StatusFunction        Status = 0x6A81
	StatusFileNotFound    Status = 0x6A82
	StatusRecordNotFound  Status = 0x6A83
	StatusNoSpace         Status = 0x6A84
	StatusLengthMismatch  Status = 0x6A85
	StatusP1P2            Status = 0x6A86
	StatusOffset          Status = 0x6B00
	StatusInstruction     Status = 0x6D00
	StatusClass           Status = 0x6E00
	StatusClass1          Status = 0x6E01
	StatusClass2          Status = 0x6E02
	StatusUnknown         Status = 0x6F00
	StatusLocked          Status = 0x9303 // application locked
	StatusAlgorithm       Status = 0x9401
	StatusKeyType         Status = 0x9402
	StatusKeyNotFound     Status = 0x9403
	StatusIDWritten       Status = 0x9404
	StatusKeyExists       Status = 0x9405
	StatusMACNotAvailable Status = 0x9406
	StatusToComeXX        Status = 0x9500 // bytes to come
)

var statusTexts = map[Status]string{
	StatusOK:              "done",
	StatusMoreXX:          "answer waits to be fetched",
	StatusWrongLeXX:       "wrong length expected",
	StatusDataCorrupt:     "data may be wrong",
	StatusDeactivated:     "deactivated",
	StatusTriesXX:         "PIN wrong",
	StatusMoreData:        "more data",
	StatusMemory:          "memory failure",
	StatusLength:          "wrong length",
	StatusState:           "wrong state",
	StatusFileType:        "file does not suit the command",
	StatusSecurity:        "security status not satisfied",
	StatusKeyBlocked:      "key blocked",
	StatusNoRandom:        "no valid random number",
	StatusConditions:      "conditions of use not satisfied",
	StatusNotAllowed:      "command not allowed",
	StatusMACMissing:      "secure messaging missing",
	StatusMACWrong:        "secure messaging wrong",
	StatusData:            "data wrong or verification failed",
	StatusFunction:        "function not supported",
	StatusFileNotFound:    "file or application not found",
	StatusRecordNotFound:  "record not found",
	StatusNoSpace:         "no space left",
	StatusLengthMismatch:  "length does not fit the data",
	StatusP1P2:            "wrong P1 or P2",
	StatusOffset:          "wrong offset",
	StatusInstruction:     "instruction not supported",
	StatusClass:           "class not supported",
	StatusClass1:          "class not supported, 1",
	StatusClass2:          "class not supported, 2",
	StatusUnknown:         "no precise diagnosis",
	StatusLocked:          "application locked",
	StatusAlgorithm:       "algorithm not supported",
	StatusKeyType:         "key type not supported",
	StatusKeyNotFound:     "key not found",
	StatusIDWritten:       "id is written already",
	StatusKeyExists:       "key exists already",
	StatusMACNotAvailable: "MAC not available",
	StatusToComeXX:        "bytes to come",
}

// Group returns the constant that names s: the one that ends in XX for a status
// that carries a number, s itself for any other.
func (s Status) Group() Status {
	switch high := s &^ 0xFF; high {
	case StatusMoreXX, StatusWrongLeXX, StatusToComeXX:
		return high
	}
	if s&^0x0F == StatusTriesXX {
		return StatusTriesXX
	}
	return s
}

// Known reports whether s is one of the status words of id2 §7.
func (s Status) Known() bool {
	_, known := statusTexts[s.Group()]
	return known
}

// Tries returns how many tries a status of the group [StatusTriesXX] leaves. ok
// is false for any other status.
func (s Status) Tries() (n int, ok bool) {
	return int(s & 0x0F), s.Group() == StatusTriesXX
}

// Error returns a short text with the number.
func (s Status) Error() string {
	text, known := statusTexts[s.Group()]
	switch tries, ok := s.Tries(); {
	case ok:
		text = fmt.Sprintf("%s, %d tries left", text, tries)
	case !known:
		text = "unknown status"
	}
	return fmt.Sprintf("se: %s (%04X)", text, uint16(s))
}
