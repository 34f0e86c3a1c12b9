package openapi

import (
	"net/http"
	"strings"
)

// Format is the format of an answer.
type Format uint8

// The formats.
const (
	FormatJSON Format = iota
	FormatXML
)

// String returns "JSON" or "XML", the values of the Format parameter.
func (f Format) String() string {
	if f == FormatXML {
		return "XML"
	}
	return "JSON"
}

// ContentType returns the Content-Type of an answer. Clients compare it as a
// whole, so the spelling is fixed (openapi-rpc §0.6).
func (f Format) ContentType() string {
	if f == FormatXML {
		return "text/xml;charset=utf-8"
	}
	return "application/json;charset=utf-8"
}

// parseFormat reads a Format parameter, in any letter case.
func parseFormat(s string) (f Format, ok bool) {
	switch {
	case strings.EqualFold(s, "JSON"):
		return FormatJSON, true
	case strings.EqualFold(s, "XML"):
		return FormatXML, true
	}
	return FormatJSON, false
}

// defaultFormat is the format of an answer to a request that names none: XML
// for V1; for V3 what Accept asks for, else JSON (openapi-rpc §3.1).
func defaultFormat(style Style, h http.Header) Format {
	accept := headerValue(h, "Accept")
	if style == StyleV1 || (strings.Contains(accept, "xml") && !strings.Contains(accept, "json")) {
		return FormatXML
	}
	return FormatJSON
}

// setFormat sets the format of the answer from the Format parameter.
func (q *Request) setFormat(format string) *Error {
	q.Format = defaultFormat(q.Style, q.header)
	if format == "" {
		return nil
	}
	f, ok := parseFormat(format)
	if !ok {
		return ErrFormat
	}
	q.Format = f
	return nil
}

// GuessFormat returns the format for the answer to a request that cannot be
// decoded: that of a readable Format pair in the query or in the body, which
// may be a part of a form or nil, else the default.
func GuessFormat(r *http.Request, body []byte) Format {
	if f, ok := findFormat(r.URL.RawQuery); ok {
		return f
	}
	if f, ok := findFormat(string(body[:min(len(body), MaxBody)])); ok {
		return f
	}
	return defaultFormat(styleOf(r.Header), r.Header)
}

// findFormat looks for a valid Format pair in an encoded form.
func findFormat(form string) (f Format, ok bool) {
	for pair := range strings.SplitSeq(form, "&") {
		if value, found := strings.CutPrefix(pair, "Format="); found {
			if f, ok = parseFormat(value); ok {
				return f, true
			}
		}
	}
	return FormatJSON, false
}
