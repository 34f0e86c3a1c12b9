package console

import (
	"errors"
	"net/http"
	"strings"

	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/scanlogin"
)

// problem is what the error page shows.
type problem struct {
	Text   string // a key of texts
	Detail string // the rule that input broke
	ID     string // of the request, when only the log says more
}

// fail answers with an error. Nobody signed in leads to the first page.
func (v *visit) fail(err error) {
	switch {
	case errors.Is(err, errSignIn),
		errors.Is(err, errForged) && v.Account.Name != "" && strings.HasPrefix(v.r.URL.Path, Prefix+"login"): // another tab signed in
		_ = v.redirect("login")
	case errors.Is(err, scanlogin.ErrUnknown): // of a stream or a picture
		http.Error(v.w, scanlogin.ErrUnknown.Error(), http.StatusNotFound)
	default:
		v.showProblem(err)
	}
}

func (v *visit) showProblem(err error) {
	status, p := v.describe(err)
	if status == http.StatusInternalServerError {
		v.Log.ErrorContext(v.r.Context(), "console request failed", "request", v.RequestID(v.r), "method", v.r.Method, "path", v.r.URL.Path, "error", err)
	}
	if err := v.show(status, "problem", "error.title", p); err != nil {
		v.Log.ErrorContext(v.r.Context(), "console request failed", "request", v.RequestID(v.r), "error", err)
		http.Error(v.w, http.StatusText(status), status)
	}
}

func (v *visit) describe(err error) (int, problem) {
	for _, f := range failures {
		if errors.Is(err, f.cause) {
			return f.status, problem{Text: f.text}
		}
	}
	var input *registry.InvalidError
	if errors.As(err, &input) {
		return http.StatusBadRequest, problem{Text: "error.input", Detail: input.Reason}
	}
	return http.StatusInternalServerError, problem{Text: "error.internal", ID: v.RequestID(v.r)}
}
