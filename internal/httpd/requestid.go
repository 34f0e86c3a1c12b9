package httpd

import (
	"context"
	"math/rand/v2"
	"net/http"
)

// newRequestID returns an upper-case random UUID, the form of the vendor's
// RequestId. It names a request and protects nothing.
func newRequestID() string {
	const digits = "0123456789ABCDEF"
	hi, lo := rand.Uint64()&^0xf000|0x4000, rand.Uint64()&^(3<<62)|2<<62
	var b [36]byte
	n := 0
	for i := range b {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			b[i] = '-'
			continue
		}
		word := hi
		if n >= 16 {
			word = lo
		}
		b[i] = digits[word>>(60-4*(n%16))&15]
		n++
	}
	return string(b[:])
}

type requestIDKey struct{}

// RequestID returns the id of a request that came through a Handler, or "".
func RequestID(r *http.Request) string {
	id, _ := r.Context().Value(requestIDKey{}).(string)
	return id
}

// withRequestID gives a request its id and tells it to the caller.
func withRequestID(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := newRequestID()
		w.Header()["X-Acs-Request-Id"] = []string{id}
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}
