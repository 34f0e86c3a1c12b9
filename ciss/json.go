package ciss

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// member is a member of a JSON object whose value is a text or null.
type member struct {
	name, value string
	null        bool
}

// maxMembers bounds the members of an object.
const maxMembers = 16

// errJSON says no more: what exactly is wrong with a sealed text is nobody's
// business.
var errJSON = errors.New("ciss: not a JSON object of texts")

// parseMembers reads a JSON object of texts and nulls. Names may not repeat. In
// lenient mode it reads the slips of the vendor's examples too (ciss §2.5):
// blanks around names, a comma after the last member, curly quotation marks,
// missing braces.
func parseMembers(text []byte, lenient bool) ([]member, error) {
	if !utf8.Valid(text) {
		return nil, errJSON
	}
	s := scanner{string(text), lenient, literal(text)}
	s.space()
	braced := s.skip("{")
	if !braced && !lenient {
		return nil, errJSON
	}
	members, err := s.members(braced)
	if err != nil {
		return nil, err
	}
	if braced && !s.skip("}") {
		return nil, errJSON
	}
	s.space()
	if s.rest != "" {
		return nil, errJSON
	}
	return members, nil
}

// scanner reads a JSON text from its beginning.
type scanner struct {
	rest    string
	lenient bool
	literal bool
}

// literal reports whether quotation marks are all that can end a text, and
// whatever is between them stands for itself: there are no backslashes, no
// control characters and no curly quotation marks.
func literal(text []byte) bool {
	if bytes.IndexByte(text, '\\') >= 0 || bytes.IndexByte(text, "“"[0]) >= 0 {
		return false
	}
	for ; len(text) >= 8; text = text[8:] {
		// A high bit is left if, and only if, one of the bytes is less than a blank.
		if w := binary.LittleEndian.Uint64(text); (w-blanks)&^w&highBits != 0 {
			return false
		}
	}
	return !slices.ContainsFunc(text, func(b byte) bool { return b < ' ' })
}

// Eight bytes at once.
const (
	blanks   = 0x2020202020202020
	highBits = 0x8080808080808080
)

func (s *scanner) members(braced bool) ([]member, error) {
	members := make([]member, 0, 6)
	for {
		s.space()
		if s.ends(braced) && (len(members) == 0 || s.lenient) {
			return members, nil
		}
		m, ok := s.member()
		if !ok || len(members) == maxMembers || find(members, m.name) != nil {
			return nil, errJSON
		}
		members = append(members, m)
		s.space()
		if !s.skip(",") {
			return members, nil
		}
	}
}

// ends reports whether no member follows.
func (s *scanner) ends(braced bool) bool {
	return s.rest == "" || braced && s.rest[0] == '}'
}

func (s *scanner) member() (member, bool) {
	name, ok := s.quoted()
	if !ok {
		return member{}, false
	}
	if s.lenient {
		name = strings.TrimSpace(name)
	}
	s.space()
	if !s.skip(":") {
		return member{}, false
	}
	s.space()
	if s.skip("null") {
		return member{name: name, null: true}, true
	}
	value, ok := s.quoted()
	return member{name: name, value: value}, ok
}

// quoted reads a text in quotation marks.
func (s *scanner) quoted() (string, bool) {
	if !s.quote() {
		return "", false
	}
	if s.literal {
		text, rest, ok := strings.Cut(s.rest, `"`)
		s.rest = rest
		return text, ok
	}
	text, escaped := s.rest, false
	for i := 0; i < len(text); i++ {
		switch b := text[i]; {
		case b == '\\':
			escaped = true
			i++ // whatever follows does not end the text
		case b < ' ':
			return "", false
		case b == '"' || s.lenient && curly(text[i:]):
			s.rest = text[i:]
			s.quote()
			if escaped {
				return unescape(text[:i])
			}
			return text[:i], true
		}
	}
	return "", false
}

// quote skips a quotation mark.
func (s *scanner) quote() bool {
	if s.lenient && curly(s.rest) {
		s.rest = s.rest[len("“"):]
		return true
	}
	return s.skip(`"`)
}

func curly(text string) bool {
	return strings.HasPrefix(text, "“") || strings.HasPrefix(text, "”")
}

// unescape resolves the backslashes of a text.
func unescape(raw string) (string, bool) {
	var value string
	err := json.Unmarshal([]byte(`"`+raw+`"`), &value)
	return value, err == nil
}

func (s *scanner) skip(token string) bool {
	var found bool
	s.rest, found = strings.CutPrefix(s.rest, token)
	return found
}

func (s *scanner) space() { s.rest = strings.TrimLeft(s.rest, " \t\r\n") }

// find returns the member of a name, or nil.
func find(members []member, name string) *member {
	for i := range members {
		if members[i].name == name {
			return &members[i]
		}
	}
	return nil
}

// appendMembers writes a JSON object with its members in the order given, with
// no more escapes than JSON asks for.
func appendMembers(out []byte, members []member) []byte {
	out = append(out, '{')
	for i, m := range members {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(appendText(out, m.name), ':')
		if m.null {
			out = append(out, "null"...)
			continue
		}
		out = appendText(out, m.value)
	}
	return append(out, '}')
}

func appendText(out []byte, text string) []byte {
	out = append(out, '"')
	for i := range len(text) {
		switch b := text[i]; {
		case b == '"' || b == '\\':
			out = append(out, '\\', b)
		case b < ' ':
			out = fmt.Appendf(out, `\u%04x`, b)
		default:
			out = append(out, b)
		}
	}
	return append(out, '"')
}
