package id2

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// goodCode is the text that the tests of parsing take apart.
const goodCode = "1~2~ABABABABABABABAB~1512022279204~JSNDoKjn7psgDyoiBBUhNY6l4H3O7xadnDxoUd6AhdlmsyC++8NwDRew+8a7MqUo"

func TestParseAuthCodeRefuses(t *testing.T) {
	replace := func(old, new string) string {
		if strings.Count(goodCode, old) != 1 {
			t.Fatalf("%q is not once in the good code", old)
		}
		return strings.Replace(goodCode, old, new, 1)
	}
	long := base64.StdEncoding.EncodeToString(make([]byte, 257))
	sig := goodCode[strings.LastIndexByte(goodCode, '~')+1:]
	for name, text := range map[string]string{
		"nothing":                "",
		"only separators":        "~~~~",
		"four fields":            replace("~ABABABABABABABAB", ""),
		"six fields":             goodCode + "~",
		"tilde in the value":     replace("1512022279204", "15~12"),
		"kind 4":                 "4" + goodCode[1:],
		"kind letter":            "A" + goodCode[1:],
		"kind of two digits":     "0" + goodCode,
		"kind empty":             goodCode[1:],
		"kind minus":             "-" + goodCode[1:],
		"hash 4":                 replace("1~2~", "1~4~"),
		"hash of two digits":     replace("1~2~", "1~02~"),
		"hash empty":             replace("1~2~", "1~~"),
		"random in lower case":   replace("ABABABABABABABAB", "abababababababab"),
		"random not hex":         replace("ABABABABABABABAB", "ABABABABABABABAG"),
		"random short":           replace("ABABABABABABABAB", "ABABABABABABABA"),
		"random long":            replace("ABABABABABABABAB", "ABABABABABABABABA"),
		"value empty":            replace("1512022279204", ""),
		"value of 33":            replace("1512022279204", strings.Repeat("1", 33)),
		"value with NUL":         replace("1512022279204", "15\x0012"),
		"signature empty":        replace(sig, ""),
		"signature of 257 bytes": replace(sig, long),
		"no end of base64":       replace(sig, sig[:len(sig)-1]),
		"needless padding":       goodCode + "====",
		"line break at the end":  goodCode + "\n",
		"line break inside":      replace("JSND", "JS\nND"),
		"carriage return":        replace("JSND", "JS\rND"),
		"space":                  replace("JSND", "JS ND"),
		"URL alphabet":           replace("msyC++8N", "msyC--8N"),
		"loose bits, 1 byte":     replace(sig, "QR=="),
		"loose bits, 2 bytes":    replace(sig, "QUJ="),
		"no padding":             replace(sig, "QQ"),
		"padding inside":         replace(sig, "QQ==QQ=="),
		"leading space":          " " + goodCode,
		"very long":              strings.Repeat(goodCode, 100),
		"hardened wrapper":       "99~" + sig,
	} {
		if c, err := ParseAuthCode(text); err != ErrAuthCode {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	if _, err := ParseAuthCode(goodCode); err != nil {
		t.Errorf("the good code: %v", err)
	}
}

func TestParseAuthCodeLimits(t *testing.T) {
	for _, c := range []AuthCode{
		{Challenge, MD5, "0123456789ABCDEF", "x", []byte{0}},
		{TimestampExtra, SM3, "FFFFFFFFFFFFFFFF", strings.Repeat("ÿ", 16), make([]byte, 256)},
		{ChallengeExtra, SHA1, "0000000000000000", "not hex, \tbut text", make([]byte, 24)},
	} {
		got, err := ParseAuthCode(c.String())
		if err != nil || got.String() != c.String() || !bytes.Equal(got.Signature, c.Signature) {
			t.Errorf("%v: %+v, %v", c, got, err)
		}
	}
}

func TestParseAuthCodeAllocates(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _, _ = ParseAuthCode(goodCode) }); n > 1 {
		t.Errorf("%v allocations, want 1 for the signature", n)
	}
}

func TestAppendMessage(t *testing.T) {
	for _, c := range []struct{ extra, want string }{
		{"", "idRV"},
		{"e", "idRVe"},
		{"a\x00b", "idRVa\x00\x00"},
		{"\x00abc", "idRV\x00\x00\x00\x00"},
		{"abc\x00", "idRVabc\x00"},
	} {
		dst := []byte("before:")
		got := AppendMessage(dst, "id", "R", "V", []byte(c.extra))
		if string(got) != "before:"+c.want {
			t.Errorf("extra %q: %q", c.extra, got)
		}
	}
	// The extra itself is the caller's and stays.
	extra := []byte("a\x00b")
	AppendMessage(nil, "id", "R", "V", extra)
	if string(extra) != "a\x00b" {
		t.Errorf("extra changed to %q", extra)
	}
}

func FuzzParseAuthCode(f *testing.F) {
	for _, v := range loadVectors().DeviceAuth {
		f.Add(v.AuthCode)
	}
	f.Add("0~0~0000000000000000~~~AA==")
	f.Fuzz(func(t *testing.T, text string) {
		code, err := ParseAuthCode(text)
		if err != nil {
			return
		}
		if code.String() != text {
			t.Errorf("%q parses and builds %q", text, code.String())
		}
	})
}

func FuzzServerCode(f *testing.F) {
	for _, v := range loadVectors().ServerAuth {
		f.Add(v.AuthCode)
	}
	f.Fuzz(func(t *testing.T, text string) {
		code, err := parseServerCode(text)
		if err != nil {
			return
		}
		if got := serverCodeText(code.hash, code.deviceChallenge, code.hasExtra, code.signature); got != text {
			t.Errorf("%q parses and builds %q", text, got)
		}
	})
}

func TestServerCodeLimits(t *testing.T) {
	key, _ := NewSymmetricKey(AES128, make([]byte, 16))
	const id = benchID
	for name, c := range map[string]struct {
		hash      Hash
		challenge string
		extra     []byte
		hasExtra  bool
		want      error
	}{
		"good":                    {SHA256, "ABCD12348", nil, false, nil},
		"good with extra":         {SHA256, "c", make([]byte, 512), true, nil},
		"announced empty extra":   {SHA256, "c", nil, true, nil},
		"longest challenge":       {SHA256, strings.Repeat("c", 128), nil, false, nil},
		"no challenge":            {SHA256, "", nil, false, ErrDeviceChallenge},
		"challenge of 129":        {SHA256, strings.Repeat("c", 129), nil, false, ErrDeviceChallenge},
		"challenge with a tilde":  {SHA256, "a~b", nil, false, ErrDeviceChallenge},
		"extra of 513":            {SHA256, "c", make([]byte, 513), true, ErrExtra},
		"extra without announced": {SHA256, "c", []byte("x"), false, ErrExtra},
		"hash of other keys":      {SM3, "c", nil, false, ErrHash},
		"no hash":                 {9, "c", nil, false, ErrHash},
	} {
		code, err := key.ServerCode(c.hash, id, c.challenge, c.extra, c.hasExtra)
		if err != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if err != nil {
			continue
		}
		if err := CheckServerCode(key.Verify, c.hash, id, c.challenge, c.extra, c.hasExtra, code); err != nil {
			t.Errorf("%s: own code refused: %v", name, err)
		}
	}
}

func TestServerCodeMalformed(t *testing.T) {
	key, _ := NewSymmetricKey(AES128, make([]byte, 16))
	good, err := key.ServerCode(SHA256, benchID, "challenge", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	for name, code := range map[string]string{
		"nothing":           "",
		"separators":        "~~~~~~",
		"type 20":           "2" + good[1:],
		"type 12":           "12" + good[2:],
		"type of one digit": good[1:],
		"hash 4":            "10~4" + good[4:],
		"no challenge":      "10~2~~" + good[len("10~2~challenge~"):],
		"long challenge":    "10~2~" + strings.Repeat("c", 129) + good[len("10~2~challenge"):],
		"three fields":      good[:len("10~2~challenge")],
		"no signature":      good[:len("10~2~challenge~")],
		"five fields":       good + "~",
		"line break":        good + "\n",
		"loose bits":        good[:len("10~2~challenge~")] + "QR==",
		"very long":         strings.Repeat(good, 50),
		"other digest":      "10~3" + good[4:],
		"announces extra":   "11" + good[2:],
	} {
		if err := CheckServerCode(key.Verify, SHA256, benchID, "challenge", nil, false, code); !errors.Is(err, ErrServerCode) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := CheckServerCode(key.Verify, SHA256, benchID, "challenge", []byte("x"), false, good); !errors.Is(err, ErrServerCode) {
		t.Errorf("extra without announcing: %v", err)
	}
}

// TestServerCodeIsNoDeviceCode: the inverted id keeps the two kinds apart.
func TestServerCodeIsNoDeviceCode(t *testing.T) {
	key, _ := NewSymmetricKey(AES128, make([]byte, 16))
	code, err := key.ServerCode(SHA256, benchID, "ABABABABABABABAB12345", nil, false)
	if err != nil {
		t.Fatal(err)
	}
	c, err := parseServerCode(code)
	if err != nil {
		t.Fatal(err)
	}
	msg := AppendMessage(nil, benchID, "ABABABABABABABAB", "12345", nil)
	if key.Verify(SHA256, msg, c.signature) {
		t.Error("a server code's signature passes for a device's")
	}
}

func TestInvertID(t *testing.T) {
	if got := InvertID("0123456789ABCDEFabcdef-_xyz"); got != "FEDCBA9876543210543210-_xyz" {
		t.Errorf("got %s", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[0-9A-F_-]{24,48}`).Draw(t, "id")
		if InvertID(InvertID(id)) != id {
			t.Errorf("%s is not its own double inverse", id)
		}
	})
}

func TestValidID(t *testing.T) {
	for id, want := range map[string]bool{
		"00AAABBB11122281FE15B400":                         true,
		"05000000010000200123456789ABCDEF-6789-001234_256": true,
		strings.Repeat("A", 23):                            false,
		strings.Repeat("A", 48):                            true,
		strings.Repeat("A", 49):                            false,
		strings.Repeat("A", 23) + "~":                      false,
		strings.Repeat("A", 23) + " ":                      false,
		strings.Repeat("A", 23) + "\x7f":                   false,
		strings.Repeat("A", 23) + "\n":                     false,
		strings.Repeat("A", 23) + "\x00":                   false,
		strings.Repeat("A", 23) + "é":                      false,
		"":                                                 false,
	} {
		if ValidID(id) != want {
			t.Errorf("ValidID(%q) = %v", id, !want)
		}
	}
}
