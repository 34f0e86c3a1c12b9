package itls

import "fmt"

// Alert is the number by which a server refuses a device (id2 §4.6). As an error
// it stands for a device that was refused.
type Alert byte

// The alerts of the protocol; the device makes the same of all of them.
const (
	AlertGeneric              Alert = 160
	AlertNoQuota              Alert = 161
	AlertIDNotFound           Alert = 162
	AlertAuthCode             Alert = 163
	AlertNotActivated         Alert = 164
	AlertTimestampExpired     Alert = 165
	AlertChallenge            Alert = 166
	AlertNotSupported         Alert = 167
	AlertSuspended            Alert = 168
	AlertDiscarded            Alert = 169
	AlertOtherProduct         Alert = 170
	AlertProductKey           Alert = 171
	AlertProductNotFound      Alert = 172
	AlertBusy                 Alert = 173
	AlertFingerprint          Alert = 174
	AlertFingerprintDuplicate Alert = 175
	AlertServerRandom         Alert = 176
	AlertHashType             Alert = 177
	AlertKeyType              Alert = 178
)

var alertTexts = [...]string{
	"generic error",
	"no quota left",
	"id2 does not exist",
	"auth code invalid",
	"not activated",
	"timestamp expired",
	"challenge invalid",
	"not supported",
	"suspended",
	"discarded",
	"bound to another product key",
	"product key invalid",
	"product key does not exist",
	"busy",
	"fingerprint invalid",
	"fingerprint duplicated",
	"server random invalid",
	"hash type invalid",
	"key type invalid",
}

// Alerts returns the alerts of the protocol in their order.
func Alerts() []Alert {
	all := make([]Alert, len(alertTexts))
	for i := range all {
		all[i] = AlertGeneric + Alert(i)
	}
	return all
}

// Message returns what the alert means, in English, or "unknown alert".
func (a Alert) Message() string {
	if a < AlertGeneric || a > AlertKeyType {
		return "unknown alert"
	}
	return alertTexts[a-AlertGeneric]
}

// Error returns the meaning with the number.
func (a Alert) Error() string {
	return fmt.Sprintf("itls: the server refuses: %s (alert %d)", a.Message(), byte(a))
}
