package ciss

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDefaultSettings(t *testing.T) {
	s := DefaultSettings()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	back, err := DefaultSettings().With(text)
	if err != nil || !cmp.Equal(s, back) {
		t.Errorf("%v %s", err, cmp.Diff(s, back))
	}
	if none, err := s.With([]byte(`{}`)); err != nil || !cmp.Equal(s, none) {
		t.Errorf("no settings: %v %s", err, cmp.Diff(s, none))
	}
}

func TestWith(t *testing.T) {
	good := map[string]func(*Settings){
		`{"iv":"prefix"}`: func(s *Settings) { s.IV = IVPrefix },
		`{"iv":"000102030405060708090A0B0c0d0e0f"}`:                 func(s *Settings) { s.IV = "000102030405060708090A0B0c0d0e0f" },
		`{"signature":"hmac-sm3"}`:                                  func(s *Settings) { s.Signature = HMACSM3 },
		`{"sm2_user_id":""}`:                                        func(s *Settings) { s.UserID = "" },
		`{"sign_data":["pkcs7"]}`:                                   func(s *Settings) { s.SignForms = []SignForm{SignPKCS7} },
		`{"status":{"message":400}}`:                                func(s *Settings) { s.Status.Message = 400 },
		`{"response_order":["timestamp","resultDesc","signature"]}`: func(s *Settings) { s.Order = []string{"timestamp", "resultDesc", "signature"} },
	}
	for text, change := range good {
		want := DefaultSettings()
		change(&want)
		if got, err := DefaultSettings().With([]byte(text)); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s: %v %s", text, err, cmp.Diff(want, got))
		}
	}
	bad := []string{
		``, `null x`, `[]`, `{} {}`, `{"iv":1}`, `{"iV":"none"}`, `{"iv":""}`, `{"iv":"00"}`, `{"iv":"0g0102030405060708090a0b0c0d0e0f"}`,
		`{"signature":"sm3"}`, `{"sm2_user_id":"` + strings.Repeat("x", 129) + `"}`, `{"signed_message":"hex"}`, `{"digest":"sm3"}`,
		`{"sign_data":[]}`, `{"sign_data":["raw","raw"]}`, `{"sign_data":["rsa"]}`, `{"key_usage":""}`, `{"zone":"Asia/Shanghai"}`, `{"zone":"+8"}`,
		`{"window_seconds":0}`, `{"window_seconds":3601}`, `{"status":{"message":200}}`, `{"status":{"internal":212}}`, `{"status":{"authentication":99}}`,
		`{"status":{"message":10000}}`, `{"response_order":["signature","resultDesc"]}`, `{"response_order":["signature","signature","timestamp"]}`, `{"colour":"red"}`,
	}
	for _, text := range bad {
		if s, err := DefaultSettings().With([]byte(text)); err == nil {
			t.Errorf("%s is accepted: %+v", text, s)
		}
	}
}

func TestNewChannel(t *testing.T) {
	s := DefaultSettings()
	for _, id := range []string{"", "a b", "号", strings.Repeat("1", 65)} {
		if _, err := NewChannel(id, testKey, s, rand.Reader); err == nil {
			t.Errorf("appId %q is accepted", id)
		}
	}
	s.Digest = ""
	if _, err := NewChannel(testAppID, testKey, s, rand.Reader); err == nil {
		t.Error("settings that are not valid are accepted")
	}
}

func TestParseKey(t *testing.T) {
	if k, err := ParseKey("0123456789abcdefFEDCBA9876543210"); err != nil || k != testKey {
		t.Errorf("%x, %v", k, err)
	}
	if k, err := ParseKey("another key~1234"); err == nil {
		t.Errorf("a blank is accepted: %x", k)
	}
	if k, err := ParseKey("another-key~1234"); err != nil || string(k[:]) != "another-key~1234" {
		t.Errorf("%q, %v", k, err)
	}
	for _, bad := range []string{"", "0123456789abcdeffedcba987654321", "0123456789abcdeffedcba987654321g", "0123456789abcdeffedcba98765432100", "schlüssel-12345"} {
		if k, err := ParseKey(bad); err == nil {
			t.Errorf("%q is accepted: %x", bad, k)
		}
	}
}

// TestZone reads one instant written in two zones.
func TestZone(t *testing.T) {
	at := time.Date(2024, 1, 1, 19, 4, 5, 0, time.UTC)
	for zone, want := range map[string]string{"+08:00": "20240102030405", "+00:00": "20240101190405", "-03:30": "20240101153405"} {
		c := newTestChannel(t, func(s *Settings) { s.Zone = zone })
		param, err := c.SealScan(Scan{AuthID: testAuthID, Status: StatusCancelled, Time: at})
		if err != nil {
			t.Fatal(err)
		}
		padded, err := c.unseal(param)
		if err != nil || !strings.Contains(string(padded), want) {
			t.Errorf("%s: %q", zone, padded)
		}
		if m, err := c.OpenScan(param, at); err != nil || !m.Time.Equal(at) || m.Status != StatusCancelled {
			t.Errorf("%s: %+v, %v", zone, m, err)
		}
	}
}
