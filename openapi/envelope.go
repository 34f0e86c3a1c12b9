package openapi

import (
	"strconv"
	"unicode/utf8"
)

// CodeOK is the result code of success.
const CodeOK = 200

// Reply is the answer of an operation, success or business failure; both travel
// with HTTP status 200 (openapi-rpc §0.9).
type Reply struct {
	RequestID string // upper-case UUID
	Action    string // names the XML root element
	Code      int    // CodeOK or a failure; Success is derived from it
	Message   string // for people; sent on failure only
	Data      Data   // sent on success only
}

// Data is the result of an operation. The zero value is no data.
type Data struct {
	kind   dataKind
	flag   bool
	text   string
	fields []Field
}

// dataKind tells which field of a Data counts.
type dataKind uint8

const (
	dataNone dataKind = iota
	dataBool
	dataText
	dataStruct
)

// BoolData returns a boolean result.
func BoolData(b bool) Data { return Data{kind: dataBool, flag: b} }

// TextData returns a text result.
func TextData(s string) Data { return Data{kind: dataText, text: s} }

// StructData returns a structured result with members in the order given.
func StructData(fields ...Field) Data { return Data{kind: dataStruct, fields: fields} }

// Field is a member of a structured result.
type Field struct {
	name   string
	text   string
	number int64
	isText bool
}

// TextField returns a member that is text.
func TextField(name, value string) Field { return Field{name: name, text: value, isText: true} }

// IntField returns a member that is a number.
func IntField(name string, value int64) Field { return Field{name: name, number: value} }

// AppendReply appends the envelope of a reply to dst (openapi-rpc §3.1, §5) and
// returns it. Members come in the order RequestId, Data, Code, Success,
// Message. In stringly JSON every scalar is a string, as in the vendor's
// samples; that is less safe, because the string "false" is true in many
// languages. XML is the same either way.
func AppendReply(dst []byte, f Format, stringly bool, r *Reply) []byte {
	if f == FormatXML {
		return appendXMLReply(dst, r)
	}
	return appendJSONReply(dst, stringly, r)
}

// AppendError appends the envelope of a gateway error to dst (openapi-rpc §3.1)
// and returns it. hostID is the host that the client asked for. The status and
// the content type are the caller's to send.
func AppendError(dst []byte, f Format, requestID, hostID string, e *Error) []byte {
	members := [...]Param{{"RequestId", requestID}, {"HostId", hostID}, {"Code", e.Code}, {"Message", e.Message}}
	if f == FormatXML {
		dst = append(dst, xmlProlog+"<Error>"...)
		for _, m := range members {
			dst = appendElement(dst, m.Name, m.Value)
		}
		return append(dst, "</Error>"...)
	}
	for i, m := range members {
		dst = append(dst, separator(i == 0))
		dst = appendJSONString(dst, m.Name)
		dst = append(dst, ':')
		dst = appendJSONString(dst, m.Value)
	}
	return append(dst, '}')
}

// separator returns what comes before a member of a JSON object.
func separator(first bool) byte {
	if first {
		return '{'
	}
	return ','
}

// appendJSONReply appends a reply as JSON.
func appendJSONReply(dst []byte, stringly bool, r *Reply) []byte {
	ok := r.Code == CodeOK
	dst = append(dst, `{"RequestId":`...)
	dst = appendJSONString(dst, r.RequestID)
	if ok && r.Data.kind != dataNone {
		dst = append(dst, `,"Data":`...)
		dst = appendJSONData(dst, stringly, &r.Data)
	}
	dst = append(dst, `,"Code":`...)
	dst = appendJSONInt(dst, stringly, int64(r.Code))
	dst = append(dst, `,"Success":`...)
	dst = appendJSONBool(dst, stringly, ok)
	if !ok && r.Message != "" {
		dst = append(dst, `,"Message":`...)
		dst = appendJSONString(dst, r.Message)
	}
	return append(dst, '}')
}

// appendJSONData appends a result that is present.
func appendJSONData(dst []byte, stringly bool, d *Data) []byte {
	switch d.kind {
	case dataBool:
		return appendJSONBool(dst, stringly, d.flag)
	case dataText:
		return appendJSONString(dst, d.text)
	}
	if len(d.fields) == 0 {
		return append(dst, "{}"...)
	}
	for i := range d.fields {
		f := &d.fields[i]
		dst = append(dst, separator(i == 0))
		dst = appendJSONString(dst, f.name)
		dst = append(dst, ':')
		if f.isText {
			dst = appendJSONString(dst, f.text)
		} else {
			dst = appendJSONInt(dst, stringly, f.number)
		}
	}
	return append(dst, '}')
}

// appendJSONInt appends a number, in quotes when stringly.
func appendJSONInt(dst []byte, stringly bool, n int64) []byte {
	if !stringly {
		return strconv.AppendInt(dst, n, 10)
	}
	dst = append(dst, '"')
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, '"')
}

// appendJSONBool appends a boolean, in quotes when stringly.
func appendJSONBool(dst []byte, stringly, b bool) []byte {
	if !stringly {
		return strconv.AppendBool(dst, b)
	}
	dst = append(dst, '"')
	dst = strconv.AppendBool(dst, b)
	return append(dst, '"')
}

// appendJSONString appends a JSON string without \u escapes, which one client
// misreads (openapi-rpc §0.7): what JSON allows only as such an escape, and
// bytes that are not UTF-8, become U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		run := i
		for i < len(s) && classes[s[i]] == unreserved { // nearly all that is ever sent
			i++
		}
		dst = append(dst, s[run:i]...)
		if i == len(s) {
			break
		}
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c < ' ':
			dst = utf8.AppendRune(dst, utf8.RuneError)
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		i++
	}
	return append(dst, '"')
}
