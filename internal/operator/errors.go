package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// ErrorBody is the one shape of every refusal.
type ErrorBody struct {
	Error ErrorView `json:"error"`
}

// ErrorView says what went wrong, for programs (Code) and for people.
type ErrorView struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// kind is one row of the table of refusals.
type kind struct {
	cause  error
	status int
	code   string
	hint   string
}

// Refusals of the API itself.
var (
	errUnauthorised = errors.New("the operator token is missing or wrong")
	errNoRoute      = errors.New("there is nothing at this path")
	errMethod       = errors.New("this path does not take this method")
	errMediaType    = errors.New("the content type is not what this operation takes")
	errTooLarge     = fmt.Errorf("the body is larger than %d bytes", maxBody)
	// errPartly marks an import that broke after it began.
	errPartly = errors.New("the import broke off")
)

// kinds maps errors to answers; the first row whose cause an error wraps holds.
// What is in no row is internal, and only the log says more.
var kinds = []kind{
	{errUnauthorised, http.StatusUnauthorized, "unauthorized",
		"send Authorization: Bearer with the content of the file operator.token in the server's data directory"},
	{errNoRoute, http.StatusNotFound, "not_found", "the API is described at " + DocumentPath},
	{errMethod, http.StatusMethodNotAllowed, "method_not_allowed", "the API is described at " + DocumentPath},
	{errMediaType, http.StatusUnsupportedMediaType, "unsupported_media_type", "send JSON as application/json, a device import as text/csv, a revocation list as application/pkix-crl"},
	{errTooLarge, http.StatusRequestEntityTooLarge, "body_too_large", "only devices:import takes bodies of any length"},
	{registry.ErrNotFound, http.StatusNotFound, "not_found", "check the spelling; what another organisation owns is found only when that is named (--org)"},
	{registry.ErrExists, http.StatusConflict, "already_exists", "use the one that is there, or choose another"},
	{registry.ErrConflict, http.StatusConflict, "conflict", "try again"},
	{registry.ErrForbidden, http.StatusConflict, "wrong_state", ""},
	{registry.ErrQuota, http.StatusConflict, "quota_used_up", ""},
	{registry.ErrBusy, http.StatusServiceUnavailable, "busy", "try again in a while"},
	{pki.ErrBadCSR, http.StatusBadRequest, "invalid_csr", csrHint},
	{pki.ErrWeakKey, http.StatusBadRequest, "invalid_csr", csrHint},
	{pki.ErrWrongKeyType, http.StatusBadRequest, "invalid_csr", "name the authority of the key's kind: RSA, ECC or SM2"},
	{pki.ErrSubject, http.StatusBadRequest, "invalid_csr", "the authority's own subject shows which C, ST and O to use"},
	{pki.ErrValidity, http.StatusBadRequest, "invalid_input", ""},
	{pki.ErrReason, http.StatusBadRequest, "invalid_input",
		"unspecified, key-compromise, affiliation-changed, superseded, cessation-of-operation, certificate-hold or privilege-withdrawn"},
	{pki.ErrBadAuthority, http.StatusBadRequest, "invalid_input", ""},
	{pki.ErrDuplicateSubject, http.StatusConflict, "already_exists", "give each device a common name of its own"},
	{pki.ErrKeyInUse, http.StatusConflict, "already_exists", "make a key of its own for each device"},
	{pki.ErrAlreadyRevoked, http.StatusConflict, "wrong_state", ""},
	{pki.ErrExpired, http.StatusConflict, "wrong_state", "issue a new one from a request"},
	{pki.ErrNotHeld, http.StatusConflict, "wrong_state", "only a certificate on hold can be released"},
	{pki.ErrHasValid, http.StatusConflict, "wrong_state", "revoke that one first"},
	{pki.ErrNoAuthority, http.StatusConflict, "wrong_state", "make or activate one"},
	{pki.ErrAuthorityState, http.StatusConflict, "wrong_state", ""},
	{registry.ErrDiskFull, http.StatusInsufficientStorage, "disk_full", "make room on the disk of the database"},
	{registry.ErrReadOnly, http.StatusServiceUnavailable, "read_only", "wait for the failover to end, or give the server the address of the primary"},
	{context.Canceled, statusClientGone, "cancelled", "the caller went away before the answer"},
}

const csrHint = "PKCS#10 in PEM: RSA of 2048 bits or P-256, signed with SHA-256"

// statusClientGone is for the log only: nobody is there to read it.
const statusClientGone = 499

const partlyHint = "run the same import again: rows that are already in count as unchanged"

// describe turns an error into its answer.
func describe(err error) (int, ErrorView) {
	status, view := describeCause(err)
	if errors.Is(err, errPartly) {
		view.Code, view.Hint = "import_incomplete", partlyHint
	}
	return status, view
}

func describeCause(err error) (int, ErrorView) {
	var input *registry.InvalidError
	if errors.As(err, &input) {
		return http.StatusBadRequest, ErrorView{Code: "invalid_input", Message: err.Error()}
	}
	for _, k := range kinds {
		if errors.Is(err, k.cause) {
			return k.status, ErrorView{Code: k.code, Message: err.Error(), Hint: k.hint}
		}
	}
	return http.StatusInternalServerError, ErrorView{Code: "internal", Message: "the server could not do this",
		Hint: "its log says why, under the request id"}
}

// invalid is an error in the caller's input.
func invalid(format string, args ...any) error {
	return &registry.InvalidError{Reason: fmt.Sprintf(format, args...)}
}

// fail answers with an error. Refusals are the caller's to see and logged
// without detail; what the server has to answer for is logged in full.
func (a *api) fail(w http.ResponseWriter, r *http.Request, err error) {
	status, view := describe(err)
	if status >= http.StatusInternalServerError {
		a.Log.ErrorContext(r.Context(), "operator request failed", "request", a.RequestID(r), "method", r.Method, "path", r.URL.Path, "error", err)
	}
	a.answer(w, r, status, ErrorBody{view})
}

// answer writes a JSON document.
func (a *api) answer(w http.ResponseWriter, r *http.Request, status int, view any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(view); err != nil {
		a.Log.DebugContext(r.Context(), "answer not delivered", "request", a.RequestID(r), "error", err)
	}
}
