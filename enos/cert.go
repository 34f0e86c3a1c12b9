package enos

import (
	"fmt"
	"strings"
)

// Authority names the two authorities of the service, by the kind of their keys.
type Authority string

// The authorities.
const (
	RSA Authority = "RSA"
	ECC Authority = "ECC"
)

// ParseAuthority reads an authority in any case of letters.
func ParseAuthority(s string) (Authority, bool) {
	a := Authority(strings.ToUpper(s))
	return a, a == RSA || a == ECC
}

// Reason says why a certificate was revoked, by the numbers of RFC 5280 that the
// service knows (enos §1.3).
type Reason int

// The reasons.
const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6
	PrivilegeWithdrawn   Reason = 9
)

var reasonNames = map[Reason]string{
	Unspecified: "UNSPECIFIED", KeyCompromise: "KEY_COMPROMISE", AffiliationChanged: "AFFILIATION_CHANGED",
	Superseded: "SUPERSEDED", CessationOfOperation: "CESSATION_OF_OPERATION", CertificateHold: "CERTIFICATE_HOLD",
	PrivilegeWithdrawn: "PRIVILEGE_WITHDRAWN",
}

// Valid reports whether the service knows the reason.
func (r Reason) Valid() bool { return reasonNames[r] != "" }

// String returns the name, such as "KEY_COMPROMISE".
func (r Reason) String() string {
	if name, ok := reasonNames[r]; ok {
		return name
	}
	return fmt.Sprintf("Reason(%d)", int(r))
}

// Text returns the name as lists print it, with spaces (enos §1.3).
func (r Reason) Text() string { return strings.ReplaceAll(r.String(), "_", " ") }

// Status is the state of a certificate in a list.
type Status int

// The states.
const (
	Valid   Status = 0
	Revoked Status = 1
	Expired Status = 2
)

// String returns the name of a state.
func (s Status) String() string {
	switch s {
	case Valid:
		return "valid"
	case Revoked:
		return "revoked"
	case Expired:
		return "expired"
	}
	return fmt.Sprintf("Status(%d)", int(s))
}

// Certificate is what apply and renew answer (enos §1.1).
type Certificate struct {
	ChainURL  string    `json:"certChainURL"`
	CA        string    `json:"caCert"` // PEM
	PEM       string    `json:"cert"`
	SN        string    `json:"certSN"` // decimal text: a number breaks real clients
	Authority Authority `json:"issueAuthority"`
}

// CertificateDetail is one entry of a list (enos §1.4). The service misspells
// effectiveDate; servers should write both members, and readers look at
// Effective.
type CertificateDetail struct {
	SN        string    `json:"certSN"`
	PEM       string    `json:"cert"`
	Status    Status    `json:"certStatus"`
	Issuer    string    `json:"issuer"`
	Subject   string    `json:"subject"`
	Signed    int64     `json:"signDate"` // milliseconds since 1970, as all times here
	Effetive  int64     `json:"effetiveDate"`
	Effective int64     `json:"effectiveDate"`
	Expires   int64     `json:"expireDate"`
	Audit     *Audit    `json:"audit,omitempty"`
	Revoker   string    `json:"revoker"`
	Reason    string    `json:"revokerReason"` // with spaces, "" unless revoked
	EnOS      bool      `json:"isEnosCert"`
	Authority Authority `json:"issueAuthority"`
}

// Audit says who made and last changed a certificate; by and ns are organisations.
type Audit struct {
	CreateBy   string `json:"createBy"`
	CreateTime int64  `json:"createTime"`
	UpdateBy   string `json:"updateBy"`
	UpdateTime int64  `json:"updateTime"`
	NS         string `json:"ns"`
	Deleted    bool   `json:"deleted"`
}

// ApplyRequest is the body of apply; zero members are left out (enos §1.1).
type ApplyRequest struct {
	CSR       string    `json:"csr"` // PKCS#10 in PEM
	ValidDays *Int      `json:"validDay,omitempty"`
	Authority Authority `json:"issueAuthority,omitempty"`
}

// RenewRequest is the body of renew. Without a CSR the new certificate is for the
// key and subject of the old one (enos §1.2).
type RenewRequest struct {
	SN        *Int      `json:"certSn"`
	CSR       string    `json:"csr,omitempty"`
	ValidDays *Int      `json:"validDay,omitempty"`
	Authority Authority `json:"issueAuthority,omitempty"`
}

// RevokeRequest is the body of revoke (enos §1.3).
type RevokeRequest struct {
	SN     *Int `json:"certSn"`
	Reason *Int `json:"reason,omitempty"`
}
