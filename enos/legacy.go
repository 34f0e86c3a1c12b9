package enos

// The bodies of the older calls (enos §3.3). Their sets of members are closed:
// Java clients turn an answer with one more into nothing.

// LegacyCertificate is what the older apply answers.
type LegacyCertificate struct {
	ChainURL string `json:"certChainURL"`
	PEM      string `json:"cert"`
	SN       string `json:"certSN"`
}

// LegacyStatus is an entry of the older list, which knows valid and revoked only.
type LegacyStatus struct {
	SN     string `json:"certSN"`
	Status Status `json:"certStatus"`
}

// LegacyIssued is what the calls of certificateService answer.
type LegacyIssued struct {
	ApproveStatus int    `json:"approveStatus"`
	PEM           string `json:"issuedCert"`
	SN            int64  `json:"issuedCertSN"`
}
