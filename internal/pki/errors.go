package pki

import (
	"errors"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// Errors that callers tell apart. What is returned wraps one of them and says
// more in its text; nothing has changed then. A store's own failures come
// through as they are.
var (
	// ErrNotFound says that there is no such certificate, device or authority in
	// the organisation.
	ErrNotFound = registry.ErrNotFound
	// ErrBadCSR says that a request is malformed, too long or not signed by its key.
	ErrBadCSR = errors.New("the certificate request (CSR) cannot be used")
	// ErrWeakKey says that a request's key or signature algorithm is too weak.
	ErrWeakKey = errors.New("the key of the certificate request is refused")
	// ErrWrongKeyType says that a request's key is not of the authority's kind.
	ErrWrongKeyType = errors.New("the key does not go with the authority")
	// ErrSubject says that a request's subject breaks a rule.
	ErrSubject = errors.New("the subject of the certificate request is refused")
	// ErrDuplicateSubject says that another device has a certificate with the
	// same common name.
	ErrDuplicateSubject = errors.New("the common name (CN) belongs to another device")
	// ErrKeyInUse says that another device has a certificate of the same key.
	ErrKeyInUse = errors.New("the key is already certified for another device")
	// ErrValidity says that more days are asked for than the product allows.
	ErrValidity = errors.New("the validity is out of range")
	// ErrOtherDevice says that a certificate belongs to another device.
	ErrOtherDevice = errors.New("the certificate is not bound to this device")
	// ErrAlreadyRevoked says that a certificate was revoked before.
	ErrAlreadyRevoked = errors.New("the certificate is already revoked")
	// ErrExpired says that a certificate is past its end.
	ErrExpired = errors.New("the certificate has expired")
	// ErrReason says that a number is no reason of revocation.
	ErrReason = errors.New("the reason of revocation is unknown")
	// ErrNotHeld says that a certificate that is to be released is not on hold.
	ErrNotHeld = errors.New("the certificate is not on hold")
	// ErrHasValid says that the device has a valid certificate already, so that
	// another one cannot be released.
	ErrHasValid = errors.New("the device has another valid certificate")
	// ErrNoAuthority says that no authority of the kind issues at present.
	ErrNoAuthority = errors.New("no authority of this kind issues certificates")
	// ErrBadAuthority says that what is to become an authority cannot be one.
	ErrBadAuthority = errors.New("this cannot be an authority")
	// ErrAuthorityState says that an authority is in another state than needed.
	ErrAuthorityState = errors.New("the authority is in another state")
	// ErrLint says that a certificate that was about to be signed breaks its
	// profile. Nothing was signed; it is a fault of this program.
	ErrLint = errors.New("the certificate breaks its profile")
)

// ErrSerialTaken is what a Store returns for a serial number that is in use;
// the service draws another.
var ErrSerialTaken = errors.New("the serial number is in use")
