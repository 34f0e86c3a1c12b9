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

// LegacyDevice is a device as the older calls show it; times are milliseconds
// since 1970, nil for never.
type LegacyDevice struct {
	ProductKey  string         `json:"productKey"`
	ProductName string         `json:"productName"`
	DeviceKey   string         `json:"deviceKey"`
	Name        string         `json:"deviceName"`
	Secret      string         `json:"deviceSecret,omitempty"`
	Description string         `json:"deviceDesc"`
	Timezone    string         `json:"timezone"`
	AssetID     string         `json:"assetId"`
	OrgID       string         `json:"orgId"`
	CreateBy    string         `json:"createBy"`
	Created     int64          `json:"gmtCreate"`
	Modified    *int64         `json:"gmtModified"`
	Active      *int64         `json:"gmtActive"`
	Online      *int64         `json:"gmtOnline"`
	Status      string         `json:"status"`
	Attributes  map[string]any `json:"deviceAttributes"`
}

// LegacyProduct is a product as the older calls show it.
type LegacyProduct struct {
	ProductKey  string `json:"productKey"`
	Name        string `json:"productName"`
	Secret      string `json:"productSecret,omitempty"`
	Description string `json:"productDesc"`
	ModelID     string `json:"modelId"`
}
