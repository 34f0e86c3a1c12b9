package httpd

import (
	"context"
	"net/http"

	"github.com/hallmark-id/hallmark/internal/requestid"
)

type requestIDKey struct{}

// RequestID returns the id of a request that came through a Handler, or "".
func RequestID(r *http.Request) string {
	id, _ := r.Context().Value(requestIDKey{}).(string)
	return id
}

// withRequestID gives a request its id and tells it to the caller.
func withRequestID(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := requestid.New()
		w.Header()["X-Acs-Request-Id"] = []string{id}
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestIDKey{}, id)))
	})
}
