package openapi

import "net/http"

// Error is a refusal by the gateway, as opposed to a business failure, which is
// a [Reply] (openapi-rpc §3.2). Code is always text: a numeric one makes some
// of the vendor's clients crash (§0.8). Message may repeat the request, with the
// authentication codes and data in it: answer with it, but log only Code.
type Error struct {
	Status  int    // HTTP status
	Code    string // such as "SignatureDoesNotMatch"
	Message string // for people; some clients look for fixed text in it
}

// Error returns the code and the message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// The fixed refusals (openapi-rpc §3.2). They are shared: do not change them.
var (
	// ErrUnsupportedMethod refuses HTTP methods other than GET and POST.
	ErrUnsupportedMethod = &Error{http.StatusBadRequest, "UnsupportedHTTPMethod", "This http method not supported."}
	// ErrUnsupportedContentType refuses a body that is neither a form nor, for V3, JSON.
	ErrUnsupportedContentType = &Error{http.StatusBadRequest, "UnsupportedContentType",
		"The request body must be application/x-www-form-urlencoded or, with an ACS3 signature, application/json."}
	// ErrTooLarge refuses a query or body over [MaxQuery] or [MaxBody].
	ErrTooLarge = &Error{http.StatusRequestEntityTooLarge, "RequestTooLarge", "The request is larger than this server accepts."}
	// ErrEncoding refuses parameters that are not percent-encoded UTF-8.
	ErrEncoding = &Error{http.StatusBadRequest, "InvalidParameter.Encoding", "The request parameters are not valid percent-encoded UTF-8."}
	// ErrParameterName refuses an empty parameter name and one over [MaxName].
	ErrParameterName = &Error{http.StatusBadRequest, "InvalidParameter.Name", "A parameter name is empty or too long."}
	// ErrJSONBody refuses a JSON body that is not one flat object.
	ErrJSONBody = &Error{http.StatusBadRequest, "InvalidParameter.Body",
		"The JSON body must be one object whose members are strings, numbers or booleans."}
	// ErrTooManyParams refuses more than [MaxParams] parameters.
	ErrTooManyParams = &Error{http.StatusBadRequest, "InvalidParameter.TooMany", "The request has too many parameters."}
	// ErrFormat refuses a Format other than JSON and XML.
	ErrFormat = &Error{http.StatusBadRequest, "InvalidParameter.Format", "Specified parameter format is not valid."}
	// ErrVersion refuses an unknown API version.
	ErrVersion = &Error{http.StatusBadRequest, "InvalidVersion", "Specified parameter Version is not valid."}
	// ErrActionNotFound refuses an unknown action or path.
	ErrActionNotFound = &Error{http.StatusNotFound, "InvalidAction.NotFound",
		"Specified api is not found, please check your url and method."}
	// ErrAccessKeyNotFound refuses an unknown access key.
	ErrAccessKeyNotFound = &Error{http.StatusNotFound, "InvalidAccessKeyId.NotFound", "Specified access key is not found."}
	// ErrAccessKeyInactive refuses a disabled access key.
	ErrAccessKeyInactive = &Error{http.StatusBadRequest, "InvalidAccessKeyId.Inactive", "Specified access key is disabled."}
	// ErrTimestampFormat refuses a timestamp that is not YYYY-MM-DDThh:mm:ssZ.
	ErrTimestampFormat = &Error{http.StatusBadRequest, "InvalidTimeStamp.Format",
		"Specified time stamp or date value is not well formatted."}
	// ErrTimestampExpired refuses a timestamp too far from the server's clock.
	ErrTimestampExpired = &Error{http.StatusBadRequest, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired."}
	// ErrNonceUsed refuses a nonce seen before.
	ErrNonceUsed = &Error{http.StatusBadRequest, "SignatureNonceUsed", "Specified signature nonce was used already."}
	// ErrSignatureMethod refuses a signature algorithm that is unknown or does not go with the access key.
	ErrSignatureMethod = &Error{http.StatusBadRequest, "InvalidSignatureMethod", "Specified signature method is not valid."}
	// ErrIncompleteSignature refuses an Authorization header or signature that cannot be parsed.
	ErrIncompleteSignature = &Error{http.StatusBadRequest, "IncompleteSignature",
		"The request signature does not conform to Aliyun standards."}
	// ErrUnsignedHeader refuses a V3 request with an x-acs-* header that its signature does not cover.
	ErrUnsignedHeader = &Error{http.StatusBadRequest, "IncompleteSignature.UnsignedHeader",
		"Every x-acs-* header must be listed in SignedHeaders."}
	// ErrContentHash refuses a V3 body whose hash differs from the one in the header.
	ErrContentHash = &Error{http.StatusBadRequest, "InvalidContentHash",
		"Specified header x-acs-content-sha256 or x-acs-content-sm3 is not the hash of the request body."}
	// ErrSecurityToken refuses temporary (STS) credentials.
	ErrSecurityToken = &Error{http.StatusBadRequest, "InvalidSecurityToken.Malformed",
		"This server issues no temporary credentials; use an access key made with `hallmark client create`."}
	// ErrBearerToken refuses bearer tokens.
	ErrBearerToken = &Error{http.StatusBadRequest, "InvalidBearerToken",
		"This server accepts no bearer tokens; use an access key made with `hallmark client create`."}
	// ErrNeedTLS refuses plain HTTP where only TLS is allowed.
	ErrNeedTLS = &Error{http.StatusBadRequest, "InvalidProtocol.NeedSsl", "Your request is denied as lack of ssl protect."}
	// ErrThrottled refuses a caller that asks too often.
	ErrThrottled = &Error{http.StatusTooManyRequests, "Throttling.User", "Request was denied due to user flow control."}
	// ErrForbidden refuses a caller without the right to an action.
	ErrForbidden = &Error{http.StatusForbidden, "Forbidden.RAM",
		"User not authorized to operate on the specified resource, or this API doesn't support RAM."}
	// ErrInternal reports a fault of the server.
	ErrInternal = &Error{http.StatusInternalServerError, "InternalError",
		"The request processing has failed due to some unknown error."}
	// ErrUnavailable reports a passing fault, such as a store that does not answer.
	ErrUnavailable = &Error{http.StatusServiceUnavailable, "ServiceUnavailable",
		"The request has failed due to a temporary failure of the server."}
)

// MissingParameter refuses a request without the named parameter; the code is
// "Missing" and the name (openapi-rpc §3.2).
func MissingParameter(name string) *Error {
	return &Error{http.StatusBadRequest, "Missing" + name, name + " is mandatory for this action."}
}

// MissingHeader refuses a V3 request without the named header.
func MissingHeader(name string) *Error {
	return &Error{http.StatusBadRequest, "MissingHeader", "Specified header " + name + " is mandatory for this action."}
}

// InvalidParameter refuses a bad value of the named parameter; the code is
// "Invalid" and the name.
func InvalidParameter(name string) *Error {
	return &Error{http.StatusBadRequest, "Invalid" + name, "Specified parameter " + name + " is not valid."}
}

// DuplicateParameter refuses a parameter or header that is given more than
// once: clients disagree about which value they sign (openapi-rpc §1.2).
func DuplicateParameter(name string) *Error {
	return &Error{http.StatusBadRequest, "InvalidParameter.Duplicate", "Specified parameter " + name + " is given more than once."}
}

// ConflictingParameter refuses a V3 request whose header and parameter of one
// meaning differ (openapi-rpc §2.3).
func ConflictingParameter(name string) *Error {
	return &Error{http.StatusBadRequest, "InvalidParameter.Conflict",
		"Specified parameter " + name + " differs from the x-acs-* header of the same meaning."}
}

// SignatureMismatchV1 refuses a V1 signature. Clients take the text right after
// the colon, compare it with their own string to sign and, when equal, tell
// their user that the secret is wrong (openapi-rpc §3.2).
func SignatureMismatchV1(stringToSign string) *Error {
	return &Error{http.StatusBadRequest, "SignatureDoesNotMatch",
		"Specified signature is not matched with our calculation. server string to sign is:" + stringToSign}
}

// SignatureMismatchV3 refuses a V3 signature and shows what the server signed.
func SignatureMismatchV3(stringToSign, canonicalRequest string) *Error {
	return &Error{http.StatusBadRequest, "SignatureDoesNotMatch",
		"Specified signature does not match our calculation." +
			" server StringToSign is [" + stringToSign + "] server CanonicalRequest is [" + canonicalRequest + "]"}
}

// Errors lists every refusal the gateway knows, in a stable order, for
// documentation and tests. A name in angle brackets stands for text that
// depends on the request.
func Errors() []Error {
	return []Error{
		*ErrUnsupportedMethod, *ErrUnsupportedContentType, *ErrTooLarge, *ErrEncoding, *ErrParameterName,
		*ErrJSONBody, *ErrTooManyParams, *DuplicateParameter("<Name>"), *ConflictingParameter("<Name>"), *ErrFormat,
		*MissingParameter("<Name>"), *MissingHeader("<name>"), *InvalidParameter("<Name>"),
		*ErrVersion, *ErrActionNotFound,
		*ErrSecurityToken, *ErrBearerToken, *ErrSignatureMethod, *ErrIncompleteSignature, *ErrUnsignedHeader,
		*ErrAccessKeyNotFound, *ErrAccessKeyInactive, *ErrTimestampFormat, *ErrTimestampExpired,
		*ErrContentHash, *SignatureMismatchV1("<StringToSign>"),
		*SignatureMismatchV3("<StringToSign>", "<CanonicalRequest>"), *ErrNonceUsed,
		*ErrNeedTLS, *ErrThrottled, *ErrForbidden, *ErrInternal, *ErrUnavailable,
	}
}
