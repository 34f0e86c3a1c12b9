package httpd

import (
	"errors"

	"github.com/hallmark-id/hallmark/enos"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// enosFailure is a failure of the server's own, with what the caller is told.
type enosFailure struct {
	reply *enos.Error
	err   error
}

// Error returns the failure, for the log.
func (f *enosFailure) Error() string { return f.err.Error() }

// Unwrap returns the failure.
func (f *enosFailure) Unwrap() error { return f.err }

// isOwnFault reports whether a code tells of a failure of the server's own.
func isOwnFault(code int) bool {
	return code == enos.CodeInternal || code == enos.LegacyInternal || code == enosGone
}

// The refusal of a product whose devices get no certificates.
var errEnOSOneWay = enos.InvalidArgument("productKey", "the product is not one of two-way authentication (biDirectionalAuth)")

// pkiRefusals are the authority's refusals in the terms of the wire (enos §1.5),
// with what to do in the caller's language.
var pkiRefusals = []struct {
	err    error
	refuse func(detail string) *enos.Error
}{
	{pki.ErrBadCSR, templated(enos.InvalidRequest, "the certificate request cannot be used")},
	{pki.ErrWeakKey, templated(enos.InvalidRequest, "the key is refused")},
	{pki.ErrWrongKeyType, templated(enos.InvalidRequest, "the key does not go with issueAuthority")},
	{pki.ErrSubject, templated(enos.InvalidRequest, "the subject is refused")},
	{pki.ErrDuplicateSubject, templated(enos.DuplicateSubject, "the common name belongs to another device")},
	{pki.ErrKeyInUse, func(string) *enos.Error { return enos.ErrBoundToAnother }},
	{pki.ErrValidity, templated(enos.InvalidParameters, "validDay is out of range")},
	{pki.ErrReason, templated(enos.InvalidParameters, "the reason is not known")},
	{pki.ErrOtherDevice, templated(enos.QueryFailed, "the certificate is not bound to this device")},
	{pki.ErrNoAuthority, func(detail string) *enos.Error {
		return enos.CallCA(enos.CodeInvalidArgument, "no authority of this kind issues certificates", detail)
	}},
}

func templated(t enos.Template, message string) func(string) *enos.Error {
	return func(detail string) *enos.Error { return t.With(message, detail) }
}

// pkiError puts an error of the authority in the terms of the wire. What the
// state of a certificate forbids depends on the call: failed is its template.
func pkiError(err error, failed enos.Template) error {
	if err == nil {
		return nil
	}
	for _, r := range pkiRefusals {
		if errors.Is(err, r.err) {
			return r.refuse(err.Error())
		}
	}
	switch {
	case errors.Is(err, pki.ErrAlreadyRevoked):
		return failed.With("the certificate is already revoked", err.Error())
	case errors.Is(err, pki.ErrExpired):
		return failed.With("the certificate has expired", err.Error())
	case errors.Is(err, pki.ErrNotFound):
		return enos.QueryFailed.With("there is no such certificate", err.Error())
	}
	return &enosFailure{enos.ErrCertificateService, err}
}

// productError and deviceError put an error of the registry in the terms of the
// wire.
func productError(err error) error {
	return registryError(err, errEnOSNoProduct, enos.ErrProductService)
}

func deviceError(err error) error {
	return registryError(err, enos.ErrDeviceNotFound, enos.ErrHubService)
}

var (
	errEnOSNoProduct    = &enos.Error{Code: enos.CodeNoProduct, Msg: "Product cannot be found"}
	errEnOSDeviceExists = &enos.Error{Code: enos.CodeDeviceExists, Msg: "deviceKey already exists in this product"}
)

func registryError(err error, absent, failed *enos.Error) error {
	var invalid *registry.InvalidError
	var refusal *enos.Error
	switch {
	case err == nil || errors.As(err, &refusal):
		return err
	case errors.Is(err, registry.ErrNotFound):
		return absent
	case errors.Is(err, registry.ErrExists):
		return errEnOSDeviceExists
	case errors.Is(err, registry.ErrForbidden), errors.Is(err, registry.ErrConflict):
		return &enos.Error{Code: enos.CodeInvalidArgument, Msg: "Invalid Argument:" + err.Error()}
	case errors.As(err, &invalid):
		return &enos.Error{Code: enos.CodeInvalidArgument, Msg: "Invalid Argument:" + invalid.Reason}
	}
	return &enosFailure{failed, err}
}
