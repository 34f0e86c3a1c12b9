package openapi

import (
	"bytes"
	"encoding/json"
	"io"
	"unicode/utf8"
)

// Param is one decoded API parameter.
type Param struct {
	Name, Value string
}

// param is a parameter of a request together with the place it came from: V3
// signs the query and the body in different ways.
type param struct {
	Param
	body bool
}

// span locates a decoded parameter in Request.buf while the buffer still grows:
// the name is buf[start:mid], the value buf[mid:end].
type span struct {
	start, mid, end int
	body            bool
}

// plain marks the bytes that percent-decoding copies as they are. The others
// are the escapes, the separators, and bytes above ASCII, which ask for a
// UTF-8 check.
var plain = func() (t [256]bool) {
	for c := range 0x80 {
		t[c] = c != '%' && c != '+' && c != '&' && c != '='
	}
	return t
}()

// decodePairs decodes name=value pairs joined by "&" into q.buf and q.spans.
// Empty pairs are skipped, a name without "=" has an empty value, "+" is a
// space (openapi-rpc §0.2).
func decodePairs[T string | []byte](q *Request, s T, body bool) *Error {
	buf := q.buf // in a local variable growing costs no write barriers
	for i := 0; i < len(s); i++ {
		if s[i] == '&' {
			continue
		}
		p := span{start: len(buf), body: body}
		var ok bool
		if buf, i, ok = unescape(buf, s, i, true); !ok {
			return ErrEncoding
		}
		p.mid = len(buf)
		if i < len(s) && s[i] == '=' {
			if buf, i, ok = unescape(buf, s, i+1, false); !ok {
				return ErrEncoding
			}
		}
		p.end = len(buf)
		if err := q.addSpan(p); err != nil {
			return err
		}
	}
	q.buf = buf
	return nil
}

// unescape decodes s from i up to the next "&" or, in a name, "=", appends the
// result to dst and returns that and the index it stopped at. It reports false
// for a bad escape and for bytes that are not UTF-8.
func unescape[T string | []byte](dst []byte, s T, i int, name bool) (out []byte, next int, ok bool) {
	start, ascii := len(dst), true
	for {
		run := i
		for i < len(s) && plain[s[i]] {
			i++
		}
		dst = append(dst, s[run:i]...)
		if i == len(s) || s[i] == '&' || (name && s[i] == '=') {
			return dst, i, ascii || utf8.Valid(dst[start:])
		}
		c := s[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if i+2 >= len(s) || unhex[s[i+1]] < 0 || unhex[s[i+2]] < 0 {
				return dst, i, false
			}
			c = byte(unhex[s[i+1]])<<4 | byte(unhex[s[i+2]])
			i += 2
		}
		dst = append(dst, c)
		ascii = ascii && c < utf8.RuneSelf
		i++
	}
}

// unhex maps a hexadecimal digit to its value and every other byte to -1.
var unhex = func() (t [256]int8) {
	for i := range t {
		t[i] = -1
	}
	for i := range 10 {
		t['0'+i] = int8(i)
	}
	for i := range 6 {
		t['a'+i], t['A'+i] = int8(10+i), int8(10+i)
	}
	return t
}()

// addSpan records a decoded parameter after checking its name and the count.
func (q *Request) addSpan(p span) *Error {
	switch n := p.mid - p.start; {
	case len(q.spans) == MaxParams:
		return ErrTooManyParams
	case n == 0 || n > MaxName:
		return ErrParameterName
	}
	q.spans = append(q.spans, p)
	return nil
}

// decodeJSON decodes a body that is one flat JSON object (openapi-rpc §2.4).
// Numbers keep the text they were written in; a null counts as absent.
func (q *Request) decodeJSON(body []byte) *Error {
	if !utf8.Valid(body) {
		return ErrEncoding // the JSON reader would replace bad bytes silently
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return ErrJSONBody
	}
	for dec.More() {
		if err := q.decodeMember(dec); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return ErrJSONBody
	}
	if _, err := dec.Token(); err != io.EOF {
		return ErrJSONBody // something follows the object
	}
	return nil
}

// decodeMember decodes one member of a flat JSON object.
func (q *Request) decodeMember(dec *json.Decoder) *Error {
	name, err := dec.Token()
	if err != nil {
		return ErrJSONBody
	}
	value, err := dec.Token()
	if err != nil {
		return ErrJSONBody
	}
	p := span{start: len(q.buf), body: true}
	q.buf = append(q.buf, name.(string)...) // a member's name is always a string
	p.mid = len(q.buf)
	switch v := value.(type) {
	case string:
		q.buf = append(q.buf, v...)
	case json.Number:
		q.buf = append(q.buf, v...)
	case bool:
		if v {
			q.buf = append(q.buf, "true"...)
		} else {
			q.buf = append(q.buf, "false"...)
		}
	case nil:
		q.buf = q.buf[:p.start]
		return nil
	default:
		return ErrJSONBody
	}
	p.end = len(q.buf)
	return q.addSpan(p)
}

// freeze turns the decoded buffer into parameters sorted by name, as the
// signatures want them, and refuses a name that occurs twice. All names and
// values share one string, so a request costs one allocation however many
// parameters it has.
func (q *Request) freeze() *Error {
	text := string(q.buf)
	for _, s := range q.spans {
		q.params = append(q.params, param{Param{text[s.start:s.mid], text[s.mid:s.end]}, s.body})
	}
	sortParams(q.params)
	for i := 1; i < len(q.params); i++ {
		if q.params[i].Name == q.params[i-1].Name {
			return DuplicateParameter(q.params[i].Name)
		}
	}
	return nil
}

// sortParams sorts by name in byte order. Most clients send their parameters
// sorted, where insertion takes one comparison each; there are at most MaxParams.
func sortParams(params []param) {
	for i := 1; i < len(params); i++ {
		for j := i; j > 0 && params[j].Name < params[j-1].Name; j-- {
			params[j], params[j-1] = params[j-1], params[j]
		}
	}
}
