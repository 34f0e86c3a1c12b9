package enos

import "fmt"

// Error is a refusal by the service. It travels with HTTP status 200 (enos §0.2).
type Error struct {
	Code int
	Msg  string
}

// Error returns the code and the message.
func (e *Error) Error() string { return fmt.Sprintf("enos: %d: %s", e.Code, e.Msg) }

// Is makes errors.Is compare codes and messages.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && *t == *e
}

// The codes of the vendor's documents (enos §1.5, §2).
const (
	CodeOK              = 0
	CodeInvalidArgument = 99400
	CodeDenied          = 99403
	CodeNotFound        = 99404
	CodeInternal        = 99500
	CodeNoDevice        = 11404
	CodeNoProduct       = 11611
	CodeDeviceExists    = 11702
	CodeBoundToAnother  = 11833
)

// The codes of this project for what the vendor's gateway answers nowhere in
// writing: a request that could not be authenticated (enos §3.2).
const (
	CodeUnauthenticated = 40100 // no credential of a known scheme
	CodeToken           = 40101 // the access token is unknown or has expired
	CodeSignature       = 40102 // the signature is wrong
	CodeTimestamp       = 40103 // the timestamp is too far from the server's clock
	CodeUnsigned        = 40104 // a token without a signature, or one sealed for another key
	CodeThrottled       = 42900 // too many failures from this address
)

// The fixed refusals of the documents. They are shared: do not change them.
var (
	ErrDeviceIdentifier = &Error{CodeInvalidArgument, "invalid argument: The device identifier is invalid"}
	ErrDeviceNotFound   = &Error{CodeNoDevice, "Device cannot be found"}
	ErrBoundToAnother   = &Error{CodeBoundToAnother, "Certificate is already bound to another device."}
	ErrOrgNotFound      = &Error{CodeInvalidArgument, "Invalid Argument orgId:  orgId does not exist"}

	ErrCertificateService = &Error{CodeInternal, "Internal error of certificate service"}
	ErrProductService     = &Error{CodeInternal, "Internal error of product service."}
	ErrHubService         = &Error{CodeInternal, "Internal error of IoT hub service"}
)

// Missing refuses a request that lacks a parameter.
func Missing(name string) *Error { return InvalidArgument(name, name+" is missing") }

// InvalidArgument refuses the value of a parameter.
func InvalidArgument(name, why string) *Error {
	return &Error{CodeInvalidArgument, "Invalid Argument " + name + ":" + why}
}

// Denied refuses what a credential may not touch.
func Denied(resource string) *Error {
	return &Error{CodeDenied, "Denied resource:  " + resource}
}

// Template is a message of the documents with a place for a message and a
// detailed one.
type Template string

// The templates (enos §1.5).
const (
	InvalidRequest    Template = "Invalid cert request!message: %s, detail message: %s"
	DuplicateSubject  Template = "Duplicate subject by certificate request!message: %s, detail message: %s"
	RenewFailed       Template = "Renew cert is failed!message: %s, detail message: %s"
	RevokeFailed      Template = "Revoke cert is failed!message: %s, detail message: %s"
	QueryFailed       Template = "Query cert is failed!message: %s, detail message: %s"
	InvalidParameters Template = "When calling Certificate Services, the call parameters are invalid.message: %s, detail message: %s"
	callCA            Template = "Call ca error!: Certificate service err info:, code: %d, message: %s, detail message: %s"
)

// With returns the refusal with its two messages.
func (t Template) With(message, detail string) *Error {
	return &Error{CodeInvalidArgument, fmt.Sprintf(string(t), message, detail)}
}

// CallCA refuses what the authority itself cannot do, with a code of the authority.
func CallCA(code int, message, detail string) *Error {
	return &Error{CodeInvalidArgument, fmt.Sprintf(string(callCA), code, message, detail)}
}
