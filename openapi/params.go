package openapi

import (
	"bytes"
	"encoding/json"
	"io"
	"strconv"
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
	body  bool
	plain bool // name and value encode as themselves; false when that is not known
}

// add keeps a decoded parameter.
func (q *Request) add(p param) *Error {
	if len(q.params) == MaxParams {
		return ErrTooManyParams
	}
	q.params = append(q.params, p)
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
	p := param{Param: Param{Name: name.(string)}, body: true} // a member's name is always a string
	switch v := value.(type) {
	case string:
		p.Value = v
	case json.Number:
		p.Value = v.String()
	case bool:
		p.Value = strconv.FormatBool(v)
	case nil:
		return nil
	default:
		return ErrJSONBody
	}
	return q.add(p)
}

// sort sorts the parameters by name, as the signatures want them, and refuses a
// name that will not do or that occurs twice.
func (q *Request) sort() *Error {
	for i := range q.params {
		if n := len(q.params[i].Name); n == 0 || n > MaxName {
			return ErrParameterName
		}
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
// sorted or in two sorted runs, where insertion takes few comparisons; there are
// at most MaxParams.
func sortParams(params []param) {
	for i := 1; i < len(params); i++ {
		p, j := params[i], i
		for ; j > 0 && p.Name < params[j-1].Name; j-- {
			params[j] = params[j-1]
		}
		if j < i {
			params[j] = p
		}
	}
}
