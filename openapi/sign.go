package openapi

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Errors of signing.
var (
	// ErrCannotSign is returned for a signature method that the credential, or
	// the signature version, does not have.
	ErrCannotSign = errors.New("openapi: the access key cannot sign with this method")
	// ErrDuplicate is returned for a parameter that is given twice or that
	// names a system parameter.
	ErrDuplicate = errors.New("openapi: a parameter is given twice")
)

// timestampLayout is the form of Timestamp and x-acs-date.
const timestampLayout = "2006-01-02T15:04:05Z"

// Message is a call to be signed, as a client makes it.
type Message struct {
	Method  string    // HTTP method, GET or POST
	Action  string    // operation
	Version string    // API date
	Format  Format    // of the answer
	Params  []Param   // API parameters, in any order
	Nonce   string    // never used before with this access key
	Time    time.Time // of signing
}

// SignV1 signs a call with HMACSHA1 or HMACSHA256 (openapi-rpc §1.2). It
// returns two encoded forms: the system parameters with the signature, and the
// API parameters. V1 does not sign where they are put, so each may go to the
// query or to a form body, together (joined by "&" unless empty) or apart.
func (m *Message) SignV1(c *Credential, method SignatureMethod) (system, api string, err error) {
	if (method != HMACSHA1 && method != HMACSHA256) || !c.canMAC(method) {
		return "", "", ErrCannotSign
	}
	own := [...]Param{
		{"AccessKeyId", c.accessKeyID}, {"Action", m.Action}, {"Format", m.Format.String()},
		{"SignatureMethod", method.String()}, {"SignatureNonce", m.Nonce}, {"SignatureVersion", "1.0"},
		{"Timestamp", m.Time.UTC().Format(timestampLayout)}, {"Version", m.Version},
	}
	all := make([]param, 0, len(own)+len(m.Params))
	for _, p := range own {
		all = append(all, param{Param: p})
	}
	for _, p := range m.Params {
		all = append(all, param{Param: p})
	}
	sortParams(all)
	for i, p := range all {
		if p.Name == "Signature" || (i > 0 && p.Name == all[i-1].Name) {
			return "", "", ErrDuplicate
		}
	}
	sum := c.appendMAC(nil, method, appendStringToSign(nil, m.Method, all))
	return EncodeForm(append(own[:], Param{"Signature", base64.StdEncoding.EncodeToString(sum)})), EncodeForm(m.Params), nil
}

// SignV3 signs a call with ACS3HMACSHA256 or ACS3HMACSM3 (openapi-rpc §2) and
// returns the headers to send, Content-Type included unless it is empty.
// m.Params are the parameters that go into the query, encoded with EncodeForm;
// those of the body are in body. Host is the Host header as it will be sent,
// with the port.
func (m *Message) SignV3(c *Credential, method SignatureMethod, host, contentType string, body []byte) (http.Header, error) {
	if (method != ACS3HMACSHA256 && method != ACS3HMACSM3) || !c.canMAC(method) {
		return nil, ErrCannotSign
	}
	bodyHash := appendHexHash(nil, method, body)
	h := http.Header{
		"X-Acs-Action":          {m.Action},
		"X-Acs-Version":         {m.Version},
		"X-Acs-Date":            {m.Time.UTC().Format(timestampLayout)},
		"X-Acs-Signature-Nonce": {m.Nonce},
		"X-Acs-Content-Sha256":  {string(bodyHash)},
	}
	if contentType != "" {
		h["Content-Type"] = []string{contentType}
	}
	signed := []string{"host"}
	for name := range h {
		signed = append(signed, strings.ToLower(name))
	}
	slices.Sort(signed)
	query := make([]param, 0, len(m.Params))
	for _, p := range m.Params {
		query = append(query, param{Param: p})
	}
	sortParams(query)
	parts := signedParts{method: m.Method, params: query, header: h, host: host,
		signedHeaders: strings.Join(signed, ";"), bodyHash: bodyHash}
	toSign := appendStringToSignV3(nil, method, appendCanonicalRequest(nil, &parts))
	h["Authorization"] = []string{method.String() + " Credential=" + c.accessKeyID +
		",SignedHeaders=" + parts.signedHeaders + ",Signature=" + hex.EncodeToString(c.appendMAC(nil, method, toSign))}
	h["Accept"] = []string{"application/json"}
	if m.Format == FormatXML {
		h["Accept"] = []string{"text/xml"}
	}
	return h, nil
}

// EncodeForm percent-encodes parameters by RFC 3986, in the order given, for a
// query or a form body.
func EncodeForm(params []Param) string {
	var dst []byte
	for i, p := range params {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = appendEscaped(dst, p.Name, "%")
		dst = append(dst, '=')
		dst = appendEscaped(dst, p.Value, "%")
	}
	return string(dst)
}
