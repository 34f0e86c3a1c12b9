package operator

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
)

// HasToken reports whether a request carries the operator token with this
// SHA-256. It compares hashes, so that time tells nothing of the token, not
// even its length.
func HasToken(r *http.Request, tokenHash [sha256.Size]byte) bool {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	hash := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(hash[:], tokenHash[:]) == 1
}

// RequireToken lets only requests with the operator token through to h.
func RequireToken(tokenHash [sha256.Size]byte, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !HasToken(r, tokenHash) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="hallmark operator"`)
			http.Error(w, "the operator token is needed: Authorization: Bearer <content of operator.token>", http.StatusUnauthorized)
			return
		}
		h.ServeHTTP(w, r)
	})
}
