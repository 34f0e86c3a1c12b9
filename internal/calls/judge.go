package calls

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/hallmark-id/hallmark/internal/load"
)

// judge reads JSON answers, whose member tells the code, ok that of success, and
// another the server's words.
func judge(member, ok, words string) load.Judge {
	quick := []byte(`"` + member + `":` + ok)
	return func(status int, body []byte) (code, message string) {
		if status == http.StatusOK && followed(body, quick) {
			return "", ""
		}
		var answer map[string]json.RawMessage
		if err := json.Unmarshal(body, &answer); err != nil {
			return fmt.Sprint("HTTP ", status), clip(string(body))
		}
		code = text(answer[member])
		if code == ok {
			if status == http.StatusOK {
				return "", ""
			}
			code = ""
		}
		return cmp.Or(code, fmt.Sprint("HTTP ", status)), clip(text(answer[words]))
	}
}

// followed reports whether a body holds a member and its value, whole.
func followed(body, member []byte) bool {
	i := bytes.Index(body, member)
	if i < 0 || i+len(member) == len(body) {
		return false
	}
	next := body[i+len(member)]
	return next == ',' || next == '}'
}

// text is a JSON value without quotes, "" of none.
func text(value json.RawMessage) string {
	var s string
	if json.Unmarshal(value, &s) == nil {
		return s
	}
	return string(value)
}

// longestMessage is as much as is kept of what a server says.
const longestMessage = 200

func clip(s string) string {
	if r := []rune(s); len(r) > longestMessage {
		return string(r[:longestMessage]) + "…"
	}
	return s
}
