package enos

import (
	"bytes"
	"encoding/json"
)

// Text is a name in several languages (StringI18n). Clients send an object, null
// or "" for no translations (enos §2).
type Text struct {
	Default string  `json:"defaultValue"`
	Locales Locales `json:"i18nValue"`
}

// Locales are the translations of a Text by locale, such as "zh_CN".
type Locales map[string]string

// UnmarshalJSON reads an object, null or "".
func (l *Locales) UnmarshalJSON(raw []byte) error {
	if bytes.Equal(raw, []byte(`""`)) {
		return nil
	}
	var m map[string]string
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	*l = m
	return nil
}

// MarshalJSON writes an object, an empty one for no translations.
func (l Locales) MarshalJSON() ([]byte, error) {
	if l == nil {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]string(l))
}

// Bool is a truth value that some clients send as text.
type Bool bool

// UnmarshalJSON reads true and false, with or without quotes.
func (b *Bool) UnmarshalJSON(raw []byte) error {
	return json.Unmarshal(bytes.Trim(raw, `"`), (*bool)(b))
}

// ProductSpec is the body that makes or changes a product; nil leaves a member
// out (enos §2).
type ProductSpec struct {
	ProductKey       string          `json:"productKey,omitempty"` // of a change
	ModelID          *string         `json:"modelId,omitempty"`
	Name             *Text           `json:"productName,omitempty"`
	Type             *string         `json:"productType,omitempty"` // Device or Gateway
	TwoWayAuth       *Bool           `json:"biDirectionalAuth,omitempty"`
	DataFormat       *string         `json:"dataFormat,omitempty"` // Json or Custom
	Description      *string         `json:"productDesc,omitempty"`
	Dynamic          *Bool           `json:"dynamicActivateEnabled,omitempty"`
	Tags             json.RawMessage `json:"productTags,omitempty"`
	DefaultValidDays *Int            `json:"defaultValidDay,omitempty"`
	MaxValidDays     *Int            `json:"maxValidDay,omitempty"`
}

// Product is a product as the service shows it (enos §2). Times are milliseconds
// since 1970.
type Product struct {
	OrgID            string          `json:"orgId"`
	ProductKey       string          `json:"productKey"`
	Name             Text            `json:"productName"`
	Secret           string          `json:"productSecret"`
	Description      string          `json:"productDesc"`
	Type             string          `json:"productType"`
	DataFormat       string          `json:"dataFormat"`
	Tags             json.RawMessage `json:"productTags"`
	ModelID          string          `json:"modelId"`
	Dynamic          bool            `json:"dynamicActivateEnabled"`
	TwoWayAuth       bool            `json:"biDirectionalAuth"`
	CreateBy         string          `json:"createBy"`
	CreateTime       int64           `json:"createTime"`
	UpdateBy         string          `json:"updateBy"`
	UpdateTime       int64           `json:"updateTime"`
	DefaultValidDays int             `json:"defaultValidDay"`
	MaxValidDays     int             `json:"maxValidDay"`
}

// DeviceSpec is the body that makes or changes a device; nil leaves a member out
// (enos §2).
type DeviceSpec struct {
	AssetID     string          `json:"assetId,omitempty"` // of a change
	ProductKey  string          `json:"productKey,omitempty"`
	DeviceKey   string          `json:"deviceKey,omitempty"`
	Timezone    *string         `json:"timezone,omitempty"`
	Name        *Text           `json:"deviceName,omitempty"`
	Attributes  json.RawMessage `json:"deviceAttributes,omitempty"`
	Description *string         `json:"deviceDesc,omitempty"`
	Tags        json.RawMessage `json:"deviceTags,omitempty"`
}

// CreatedDevice is what making a device answers.
type CreatedDevice struct {
	AssetID    string `json:"assetId"`
	ProductKey string `json:"productKey"`
	DeviceKey  string `json:"deviceKey"`
	Secret     string `json:"deviceSecret"`
}

// DeviceDetail is a device as the service shows it (enos §2). The vendor's
// documents do not say what Status may be; Hallmark writes inactive, active and
// disabled.
type DeviceDetail struct {
	OrgID       string          `json:"orgId"`
	AssetID     string          `json:"assetId"`
	ModelID     string          `json:"modelId"`
	ModelIDPath string          `json:"modelIdPath"`
	ProductKey  string          `json:"productKey"`
	ProductName Text            `json:"productName"`
	ProductType string          `json:"productType"`
	DataFormat  string          `json:"dataFormat"`
	DeviceKey   string          `json:"deviceKey"`
	Name        Text            `json:"deviceName"`
	Secret      string          `json:"deviceSecret,omitempty"`
	Description string          `json:"deviceDesc"`
	Timezone    string          `json:"timezone"`
	Attributes  json.RawMessage `json:"deviceAttributes"`
	Tags        json.RawMessage `json:"deviceTags"`
	CreateTime  int64           `json:"createTime"`
	Status      string          `json:"status"`
	ActiveTime  int64           `json:"activeTime"`
	LastOnline  int64           `json:"lastOnlineTime"`
}

// SearchRequest is the body of a search (enos §5).
type SearchRequest struct {
	Expression string      `json:"expression,omitempty"`
	Pagination *Pagination `json:"pagination,omitempty"`
}

// Pagination chooses a page, and tells which one an answer is.
type Pagination struct {
	PageNo    int64 `json:"pageNo"`
	PageSize  int64 `json:"pageSize"`
	TotalSize int64 `json:"totalSize"`
}
