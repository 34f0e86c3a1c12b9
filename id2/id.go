package id2

// Lengths of an id in characters (id2 §5). Clients before 3.0.0, and OTP on
// every client, know ids of exactly MinIDLength.
const (
	MinIDLength = 24
	MaxIDLength = 48
)

// ValidID reports whether id can be a device's id: 24 to 48 characters of
// printable ASCII without space and '~' (id2 §5). Chips hold upper-case hex
// digits; ids of the PUF kind also contain '-', '_' and letters, so hex is not
// asked for. The excluded characters would not survive the texts an id is put
// into, and no known id has them.
func ValidID(id string) bool {
	if len(id) < MinIDLength || len(id) > MaxIDLength {
		return false
	}
	for i := 0; i < len(id); i++ {
		if id[i] <= ' ' || id[i] >= '~' {
			return false
		}
	}
	return true
}

// InvertID returns id with every hex digit c replaced by 15−c, written in upper
// case, and every other character kept (id2 §3). Server codes sign the inverted
// id so that no device code can be passed off as one.
func InvertID(id string) string {
	return string(appendInverted(make([]byte, 0, len(id)), id))
}

// appendInverted appends InvertID(id) to dst.
func appendInverted(dst []byte, id string) []byte {
	for i := 0; i < len(id); i++ {
		c := id[i]
		if v, ok := hexValue(c); ok {
			c = upperHex[15-v]
		}
		dst = append(dst, c)
	}
	return dst
}

const upperHex = "0123456789ABCDEF"

// hexValue returns the value of a hex digit of either case.
func hexValue(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}
