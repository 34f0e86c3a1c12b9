package ciss

import (
	"cmp"
	"slices"
	"strings"
)

// Names of members.
const (
	nameAppID     = "appId"
	nameParam     = "param"
	nameAuthID    = "authId"
	nameStatus    = "scanStatus"
	nameCert      = "signCert"
	nameSignData  = "signData"
	nameSrcData   = "srcData"
	namePhone     = "phoneNumber"
	nameUser      = "userName"
	nameDesc      = "resultDesc"
	nameTime      = "timestamp"
	nameSignature = "signature"
)

// kind describes the fields of a message.
type kind struct {
	fields []field
	// signed lists the names whose values are signed, in order.
	signed []string
	// slips are misspelt names of the vendor's document that lenient mode reads.
	slips map[string]string
}

// field is one value of a message. Its grammar keeps the joined values apart:
// they are signed without separators (ciss §8).
type field struct {
	name     string
	optional bool // may be null or left out, which signs as nothing
	valid    func(string) bool
}

var timeField = field{nameTime, false, isTimestamp}

// The kinds of messages (ciss §2.1 to §2.4).
var (
	scanKind  = newKind(true, field{nameAuthID, false, isAuthID}, field{nameStatus, false, isStatus}, timeField)
	loginKind = newKind(true, field{nameAuthID, false, isAuthID}, field{nameCert, false, isHex}, field{nameSignData, false, isHex}, timeField)

	verifyKind = newKind(true, field{namePhone, false, isPhone}, field{nameUser, true, isLine},
		field{nameSignData, false, isHex}, field{nameSrcData, false, isBase64}, field{nameCert, false, isHex}, timeField)
	responseKind = newKind(false, field{nameDesc, true, isLine}, timeField)
)

func init() { loginKind.slips = map[string]string{"authI": nameAuthID} }

// newKind describes a message. Values are joined in the order of their names,
// upper and lower case alike, with the appId's among them in requests.
func newKind(request bool, fields ...field) *kind {
	k := &kind{fields: fields}
	for _, f := range fields {
		k.signed = append(k.signed, f.name)
	}
	if request {
		k.signed = append(k.signed, nameAppID)
	}
	slices.SortFunc(k.signed, func(a, b string) int { return cmp.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return k
}

// read checks the members of a message against the kind. In lenient mode it
// passes over members that it does not know.
func (k *kind) read(members []member, lenient bool) bool {
	if lenient {
		for i, m := range members {
			if right, ok := k.slips[m.name]; ok && find(members, right) == nil {
				members[i].name = right
			}
		}
	}
	known := 1
	signature := find(members, nameSignature)
	if signature == nil || signature.null {
		return false
	}
	for _, f := range k.fields {
		m := find(members, f.name)
		if m != nil {
			known++
		}
		switch {
		case m == nil || m.null:
			if !f.optional {
				return false
			}
		case !f.valid(m.value):
			return false
		}
	}
	return lenient || known == len(members)
}

// join appends what is signed of a message.
func (k *kind) join(out []byte, appID string, members []member) []byte {
	for _, name := range k.signed {
		if name == nameAppID {
			out = append(out, appID...)
		} else if m := find(members, name); m != nil {
			out = append(out, m.value...)
		}
	}
	return out
}
