package openapi

import (
	"strconv"
	"unicode/utf8"
)

// xmlProlog begins every XML answer (openapi-rpc §3.1).
const xmlProlog = `<?xml version='1.0' encoding='UTF-8'?>`

// appendXMLReply appends a reply as XML.
func appendXMLReply(dst []byte, r *Reply) []byte {
	ok := r.Code == CodeOK
	root := ""
	if isXMLName(r.Action) {
		root = r.Action
	}
	dst = append(dst, xmlProlog+"<"...)
	dst = append(dst, root...)
	dst = append(dst, "Response>"...)
	dst = appendElement(dst, "RequestId", r.RequestID)
	if ok {
		dst = appendXMLData(dst, &r.Data)
	}
	dst = append(dst, "<Code>"...)
	dst = strconv.AppendInt(dst, int64(r.Code), 10)
	dst = append(dst, "</Code><Success>"...)
	dst = strconv.AppendBool(dst, ok)
	dst = append(dst, "</Success>"...)
	if !ok && r.Message != "" {
		dst = appendElement(dst, "Message", r.Message)
	}
	dst = append(dst, "</"...)
	dst = append(dst, root...)
	return append(dst, "Response>"...)
}

// appendXMLData appends the Data element, if there is one.
func appendXMLData(dst []byte, d *Data) []byte {
	switch d.kind {
	case dataNone:
		return dst
	case dataBool:
		return appendElement(dst, "Data", strconv.FormatBool(d.flag))
	case dataText:
		return appendElement(dst, "Data", d.text)
	}
	dst = append(dst, "<Data>"...)
	for i := range d.fields {
		f := &d.fields[i]
		switch {
		case !isXMLName(f.name):
			continue
		case f.isText:
			dst = appendElement(dst, f.name, f.text)
		default:
			dst = appendElement(dst, f.name, strconv.FormatInt(f.number, 10))
		}
	}
	return append(dst, "</Data>"...)
}

// isXMLName reports whether s is letters and digits beginning with a letter, as
// every name of the protocol is. Other names are legal XML, but nobody's here.
func isXMLName(s string) bool {
	for i := range len(s) {
		c := s[i] | 0x20
		letter := c >= 'a' && c <= 'z'
		if !letter && (i == 0 || s[i] < '0' || s[i] > '9') {
			return false
		}
	}
	return s != ""
}

// appendElement appends an element that holds text.
func appendElement(dst []byte, name, text string) []byte {
	dst = append(dst, '<')
	dst = append(dst, name...)
	dst = append(dst, '>')
	dst = appendXMLText(dst, text)
	dst = append(dst, "</"...)
	dst = append(dst, name...)
	return append(dst, '>')
}

// appendXMLText appends character data. What XML 1.0 cannot hold, and bytes
// that are not UTF-8, become U+FFFD.
func appendXMLText(dst []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '&':
			dst = append(dst, "&amp;"...)
		case r == '<':
			dst = append(dst, "&lt;"...)
		case r == '>':
			dst = append(dst, "&gt;"...)
		case r == '\r':
			dst = append(dst, "&#13;"...) // a bare one would be read as a line feed
		case r < ' ' && r != '\n' && r != '\t', r == 0xFFFE, r == 0xFFFF:
			dst = utf8.AppendRune(dst, utf8.RuneError)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}
