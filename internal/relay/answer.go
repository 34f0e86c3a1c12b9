package relay

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hallmark-id/hallmark/openapi"
)

const getServerRandom = "GetServerRandom"

// actions are the operations that are relayed. One-time provisioning is not:
// devices are provisioned here.
var actions = map[string]bool{getServerRandom: true, "Verify": true, "VerifyAndEncrypt": true, "GetServerAuthCodeAndEncryptData": true}

// Bounds of what is passed on.
const (
	maxMessage = 1 << 10
	maxText    = 16 << 10
	maxCode    = 9999
)

var errData = errors.New("the data of a success is not what the operation answers")

// readAnswer takes an answer over if it is a well-formed one of the operation
// (API document §3).
func readAnswer(action string, res *openapi.Result) (openapi.Reply, error) {
	ok := res.Code == openapi.CodeOK
	if ok != res.Success || res.Code < 1 || res.Code > maxCode {
		return openapi.Reply{}, fmt.Errorf("code %d with success %t", res.Code, res.Success)
	}
	if !ok {
		message := res.Message
		if len(message) > maxMessage {
			message = message[:maxMessage]
		}
		return openapi.Reply{Code: res.Code, Message: message}, nil
	}
	data, err := readData(action, res.Data)
	return openapi.Reply{Code: res.Code, Data: data}, err
}

func readData(action string, raw json.RawMessage) (openapi.Data, error) {
	switch action {
	case "Verify":
		return readBool(raw)
	case "GetServerAuthCodeAndEncryptData":
		var d struct{ EncryptData, ServerAuthCode string }
		if err := json.Unmarshal(raw, &d); err != nil || !isText(d.EncryptData) || !isText(d.ServerAuthCode) {
			return openapi.Data{}, errData
		}
		return openapi.StructData(openapi.TextField("EncryptData", d.EncryptData), openapi.TextField("ServerAuthCode", d.ServerAuthCode)), nil
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil || !isText(text) {
		return openapi.Data{}, errData
	}
	return openapi.TextData(text), nil
}

// readBool takes text, too: some servers follow the samples of the vendor's
// document, in which all is text (openapi-rpc §5).
func readBool(raw json.RawMessage) (openapi.Data, error) {
	switch string(raw) {
	case `true`, `"true"`:
		return openapi.BoolData(true), nil
	case `false`, `"false"`:
		return openapi.BoolData(false), nil
	}
	return openapi.Data{}, errData
}

func isText(s string) bool { return s != "" && len(s) <= maxText }
