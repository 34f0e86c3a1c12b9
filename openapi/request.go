package openapi

import (
	"net/http"
	"strings"
	"time"
)

// Limits on what Decode accepts. They are far above anything the ID² operations
// need and bound the work done for a stranger.
const (
	MaxBody   = 64 << 10 // bytes of a body
	MaxQuery  = 64 << 10 // bytes of a raw query
	MaxParams = 64       // parameters in query and body together
	MaxName   = 128      // bytes of a decoded parameter name

	maxAuthorization = 4 << 10  // bytes of a V3 Authorization header
	maxSignedHeaders = 64       // names in SignedHeaders
	maxEcho          = 16 << 10 // bytes of a canonical string shown in an error
	maxTimestamp     = 30       // bytes of a timestamp, fraction included
	maxKept          = 16 << 10 // bytes of a buffer that is kept for the next request
)

// Style is the signature version of a request.
type Style uint8

// The signature versions.
const (
	StyleV1 Style = iota // signature in the parameters (openapi-rpc §1)
	StyleV3              // ACS3 signature in the Authorization header (openapi-rpc §2)
)

// Request is one decoded gateway request. The zero value is ready for Decode;
// after Reset it can be used for another request without new buffers.
//
// The strings of one request are parts of its query, and of memory that is never
// overwritten: they stay correct for ever, but a string that outlives the
// request must be cloned, or it keeps the whole request in memory.
type Request struct {
	Method          string          // GET or POST
	Style           Style           //
	SignatureMethod SignatureMethod // set by CheckSystem
	Format          Format          // of the answer; meaningful after a failed Decode too
	Action          string          // empty when absent
	Version         string          // API date, such as "2017-07-07"
	AccessKeyID     string          //
	Nonce           string          // for V3 without a nonce header, the signature, so that an exact repeat is still seen
	Time            time.Time       // when the client signed; set by CheckTime

	timestamp, signature              string
	signatureMethod, signatureVersion string // V1
	signatureType                     string // V1
	securityToken, bearerToken        string
	algorithm, signedHeaders          string // V3
	authError                         *Error // what is wrong with the Authorization header

	header http.Header // of the request; read only
	host   string
	body   []byte

	params []param  // sorted by name
	buf    []byte   // of decodePairs
	late   []late   // of decodePairs
	canon  []byte   // canonical string
	sum    [64]byte // raw signature or hash, HMAC size at most
	text   [64]byte // the signature as text
}

// Reset forgets the request and keeps the buffers, unless an unusual request
// made them large.
func (q *Request) Reset() {
	clear(q.params)
	*q = Request{params: q.params[:0], buf: emptied(q.buf), late: q.late[:0], canon: emptied(q.canon)}
}

// emptied returns the buffer without content, or nothing in place of a large one.
func emptied(buf []byte) []byte {
	if cap(buf) > maxKept {
		return nil
	}
	return buf[:0]
}

// Decode reads a request whose body the caller has read already. Of r it uses
// Method, URL, Header and Host only; it keeps Header and body, unchanged, until
// Reset. It checks the form of the request, not its truth: see CheckSystem,
// CheckTime and Verify. Format is set even when Decode fails, as well as it can
// be told, so that the error can be answered in the right format.
func (q *Request) Decode(r *http.Request, body []byte) *Error {
	q.Reset()
	q.Method, q.header, q.host, q.body = r.Method, r.Header, r.Host, body
	q.Style = styleOf(r.Header)
	err := q.decode(r)
	if err != nil {
		q.params = q.params[:0] // half of them, and in no order
		q.Format = GuessFormat(r, body)
	}
	return err
}

// decode is Decode without the care for Format after an error.
func (q *Request) decode(r *http.Request) *Error {
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodPost:
		return ErrUnsupportedMethod
	case r.URL.Path != "/":
		return ErrActionNotFound
	case len(r.URL.RawQuery) > MaxQuery || len(q.body) > MaxBody:
		return ErrTooLarge
	}
	if err := q.decodePairs(r.URL.RawQuery, false); err != nil {
		return err
	}
	if err := q.decodeBody(); err != nil {
		return err
	}
	if err := q.sort(); err != nil {
		return err
	}
	format := q.readParams()
	if q.Style == StyleV3 {
		if err := q.readHeaders(); err != nil {
			return err
		}
	}
	return q.setFormat(format)
}

// decodeBody decodes the body by its content type. A content type without a
// body means nothing: one SDK sends it even on GET (openapi-rpc §1.3). JSON is
// for V3 only, because V1 would not sign it.
func (q *Request) decodeBody() *Error {
	if len(q.body) == 0 {
		return nil
	}
	switch mediaType(headerValue(q.header, "Content-Type")) {
	case typeForm:
		return q.decodePairs(string(q.body), true)
	case typeJSON:
		if q.Style == StyleV3 {
			return q.decodeJSON(q.body)
		}
	}
	return ErrUnsupportedContentType
}

// The content types of request bodies.
const (
	typeForm = "application/x-www-form-urlencoded"
	typeJSON = "application/json"
)

// mediaType returns the one of typeForm and typeJSON that a Content-Type header
// names, parameters and case aside, or nothing.
func mediaType(contentType string) string {
	t, _, _ := strings.Cut(contentType, ";")
	t = strings.TrimSpace(t)
	switch {
	case strings.EqualFold(t, typeForm):
		return typeForm
	case strings.EqualFold(t, typeJSON):
		return typeJSON
	}
	return ""
}

// styleOf tells the signature versions apart (openapi-rpc §0.1). The headers
// x-acs-action and x-acs-version say nothing: V1 clients send them too.
func styleOf(h http.Header) Style {
	auth := headerValue(h, "Authorization")
	for _, prefix := range [...]string{"ACS3-", "ACS4-", "acs "} {
		if strings.HasPrefix(auth, prefix) {
			return StyleV3
		}
	}
	if auth == "" && headerValue(h, "X-Acs-Bearer-Token") != "" {
		return StyleV3
	}
	return StyleV1
}

// readParams picks the system parameters out of the parameters (openapi-rpc
// §1.1) and returns Format.
func (q *Request) readParams() (format string) {
	for i := range q.params {
		p := &q.params[i].Param
		switch p.Name {
		case "Action":
			q.Action = p.Value
		case "Version":
			q.Version = p.Value
		case "Format":
			format = p.Value
		case "SecurityToken":
			q.securityToken = p.Value
		case "BearerToken":
			q.bearerToken = p.Value
		case "SignatureType":
			q.signatureType = p.Value
		}
		if q.Style == StyleV1 {
			q.readV1Param(p)
		}
	}
	return format
}

// readV1Param picks up a system parameter that V3 carries in a header instead.
func (q *Request) readV1Param(p *Param) {
	switch p.Name {
	case "AccessKeyId":
		q.AccessKeyID = p.Value
	case "Signature":
		q.signature = p.Value
	case "SignatureMethod":
		q.signatureMethod = p.Value
	case "SignatureVersion":
		q.signatureVersion = p.Value
	case "SignatureNonce":
		q.Nonce = p.Value
	case "Timestamp":
		q.timestamp = p.Value
	}
}

// readHeaders picks up the system values of a V3 request (openapi-rpc §2.1).
// What is wrong with Authorization is told later, by CheckSystem, after the
// checks that come first.
func (q *Request) readHeaders() *Error {
	for _, name := range singleHeaders {
		if len(q.header[name]) > 1 {
			return DuplicateParameter(strings.ToLower(name))
		}
	}
	action := headerValue(q.header, "X-Acs-Action")
	version := headerValue(q.header, "X-Acs-Version")
	if q.Action != "" && action != "" && q.Action != action {
		return ConflictingParameter("Action")
	}
	if q.Version != "" && version != "" && q.Version != version {
		return ConflictingParameter("Version")
	}
	// A header is what V3 signs, so it alone counts; CheckSystem misses it if absent.
	q.Action, q.Version = action, version
	q.timestamp = headerValue(q.header, "X-Acs-Date")
	q.Nonce = headerValue(q.header, "X-Acs-Signature-Nonce")
	if t := headerValue(q.header, "X-Acs-Security-Token"); t != "" {
		q.securityToken = t
	}
	if t := headerValue(q.header, "X-Acs-Bearer-Token"); t != "" {
		q.bearerToken = t
	}
	q.readAuthorization()
	return nil
}

// singleHeaders are the headers of which a second one would be ambiguous.
var singleHeaders = [...]string{
	"Authorization", "Content-Type", "X-Acs-Action", "X-Acs-Version", "X-Acs-Date",
	"X-Acs-Signature-Nonce", "X-Acs-Content-Sha256", "X-Acs-Content-Sm3",
}

// headerValue returns the first value of a header given its canonical name,
// without the cost of making the name canonical.
func headerValue(h http.Header, name string) string {
	if v := h[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Get returns the value of a parameter of the query or body, and whether it is
// present. The name is case-sensitive.
func (q *Request) Get(name string) (value string, present bool) {
	for i := range q.params {
		if q.params[i].Name == name {
			return q.params[i].Value, true
		}
	}
	return "", false
}
