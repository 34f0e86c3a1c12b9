package relay

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/openapi"
)

// FuzzReadAnswer: whatever an upstream sends, what is passed on is well-formed,
// and a success only where the upstream said so in every way.
func FuzzReadAnswer(f *testing.F) {
	for _, data := range []string{`true`, `"false"`, `"AB"`, `{"EncryptData":"E","ServerAuthCode":"S"}`, `null`, ``, `1`, `[]`, `"` + strings.Repeat("A", 99) + `"`} {
		for action := range actions {
			f.Add(action, 200, true, "", data)
			f.Add(action, 33, false, "too old", data)
		}
	}
	f.Fuzz(func(t *testing.T, action string, code int, success bool, message, data string) {
		if !actions[action] {
			return
		}
		res := &openapi.Result{Code: code, Success: success, Message: message, Data: json.RawMessage(data)}
		reply, err := readAnswer(action, res)
		if err != nil {
			return
		}
		var out struct {
			Code    int
			Success bool
			Data    json.RawMessage
		}
		text := body(reply)
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if out.Code != code || out.Success != success || out.Success != (out.Code == 200) || out.Success == (out.Data == nil) {
			t.Fatalf("%+v became %s", res, text)
		}
		if len(text) > 4*maxText+4*maxMessage {
			t.Fatalf("%d bytes are passed on", len(text))
		}
	})
}
