package ciss

import "errors"

// rejected reports whether an error is the rejection for a reason.
func rejected(err error, why Why) bool {
	var r *Rejection
	return errors.As(err, &r) && r.Why == why
}
