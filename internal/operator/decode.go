package operator

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// maxBody bounds a JSON body. The longest honest one is a public key in PEM.
const maxBody = 64 << 10

// decode reads the body, one JSON object, into v. Unknown fields are refused:
// a misspelt setting must not be a setting left out.
func (c *call) decode(v any) error {
	if err := c.mediaType("application/json"); err != nil {
		return err
	}
	dec := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		err = endOfBody(dec)
	}
	return bodyError(err)
}

// endOfBody makes a second document after the first an error.
func endOfBody(dec *json.Decoder) error {
	_, err := dec.Token()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err == nil {
		return errors.New("more than one JSON document")
	}
	return err
}

// bodyError tells a body that is too long from one that is not as described.
// It never quotes the body, which may hold a key.
func bodyError(err error) error {
	var long *http.MaxBytesError
	var kind *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &long):
		return errTooLarge
	case errors.As(err, &kind) && kind.Field == "", errors.Is(err, io.EOF):
		return invalid("body: a JSON object is needed")
	case kind != nil:
		return invalid("body: field %q: this JSON %s does not fit", kind.Field, firstWord(kind.Value))
	case errors.As(err, &syntax), errors.Is(err, io.ErrUnexpectedEOF):
		return invalid("body: not well-formed JSON")
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		name, _ := strconv.Unquote(strings.TrimPrefix(err.Error(), "json: unknown field "))
		return invalid("body: unknown field %q", clip(name))
	}
	return invalid("body: more than one JSON document, or cut off")
}

// firstWord keeps the kind of "number 12.5" and drops the value.
func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

// clip shortens what callers sent before it is quoted back to them.
func clip(s string) string {
	const longest = 64
	if len(s) > longest {
		return strings.ToValidUTF8(s[:longest], "") + "…"
	}
	return s
}

func (c *call) mediaType(want string) error {
	got, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || got != want {
		return errMediaType
	}
	return nil
}

// query holds the parameters of a request, each at most once.
type query map[string]string

func parseQuery(r *http.Request, known []string) (query, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalid("query: not well-formed")
	}
	q := make(query, len(values))
	for name, all := range values {
		if !slices.Contains(known, name) {
			return nil, invalid("query: unknown parameter %q; this operation takes: %s", clip(name), strings.Join(known, ", "))
		}
		if len(all) > 1 {
			return nil, invalid("query: parameter %q stands more than once", name)
		}
		q[name] = all[0]
	}
	return q, nil
}

func (q query) get(name string) string { return q[name] }

// defaultPage is how many rows a list answers unless asked for more or fewer.
const defaultPage = 100

func (q query) limit() (int, error) {
	text, ok := q["limit"]
	if !ok {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > registry.MaxPage {
		return 0, invalid("query: limit must be 1 to %d", registry.MaxPage)
	}
	return n, nil
}

// instant reads a time, 0 when the parameter is absent.
func (q query) instant(name string) (registry.Instant, error) {
	text, ok := q[name]
	if !ok {
		return 0, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.UnixMilli() <= 0 {
		return 0, invalid("query: %s must be a time such as 2026-01-31T00:00:00Z", name)
	}
	return registry.At(t), nil
}
