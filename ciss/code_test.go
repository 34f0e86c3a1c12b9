package ciss

import (
	"strings"
	"testing"
)

func TestParseCode(t *testing.T) {
	for _, text := range []string{
		testAuthID, " " + testAuthID + "\n", "https://login.example.com/scan?authId=" + testAuthID, "https://login.example.com/?authId=" + testAuthID + "&from=qr",
		"https://login.example.com/" + testAuthID, "https://login.example.com/#" + testAuthID, "ciss:" + testAuthID, "登录" + testAuthID, "authId=" + testAuthID,
	} {
		if id, err := ParseCode(text); err != nil || id != testAuthID {
			t.Errorf("%q: %q, %v", text, id, err)
		}
	}
	for _, text := range []string{"", "https://login.example.com/", testAuthID + "/", "authId=short", strings.Repeat("1", 65), testAuthID + "é"} {
		if id, err := ParseCode(text); err == nil {
			t.Errorf("%q: %q", text, id)
		}
	}
}

// FuzzCode looks for an authId in anything; what is found is one, and is found
// in itself.
func FuzzCode(f *testing.F) {
	f.Add("https://login.example.com/?authId=" + testAuthID)
	f.Add("登录" + testAuthID)
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseCode(text)
		if err != nil {
			return
		}
		if again, err := ParseCode(id); !isAuthID(id) || err != nil || again != id {
			t.Errorf("%q: %q, %q, %v", text, id, again, err)
		}
	})
}
