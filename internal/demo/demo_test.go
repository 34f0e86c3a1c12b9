package demo

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestDemo(t *testing.T) {
	var out bytes.Buffer
	if err := Run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, line := range []string{"aes128: challenge", "3des168: the server proves itself", "sm4: timestamp", "rsa1024: encrypt", "sm2: challenge with extra",
		"secure element: encrypt, and decrypt on the device", "secure element: the server proves itself",
		"provisioning: a device asks through its back end", "provisioning: a device asks by itself, over iTLS", "provisioning: a damaged answer", "none yet",
		"provisioning: the same code again (21", "provisioning: another with its fingerprint, later (175)", "provisioning: timestamp", "certificate: the gateway's certificate in mutual TLS", "certificate: the renewed certificate", "certificate: a revoked certificate in mutual TLS",
		"certificate: a compromised key", "certificate: a certificate that the device signed itself", "scan login: a thief's phone", "scan login: the owner's phone", "scan login: the page hears of it", "scan login: the same code again", "attack: the same code again (35", "attack: the same code again (34", "attack: a timestamp 11 minutes old", "attack: one character",
		"attack: another device's code", "attack: a back end with a wrong secret", "attack: a request of the back end, sent twice", "attack: a suspended device"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the table does not show %q", line)
		}
	}
	if strings.Contains(out.String(), "WRONG") {
		t.Error(out.String())
	}
}

func TestRelayDemo(t *testing.T) {
	var out bytes.Buffer
	if err := RunRelay(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, line := range []string{"relay: before anything is set (18", "relay: challenge", "relay: the server proves itself", "relay: the same code again (35",
		"relay, the device suspended here", "relay, the vendor gone: timestamp", "only the vendor had (54", "devices that depend on the vendor"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("the table does not show %q", line)
		}
	}
	if strings.Contains(out.String(), "WRONG") {
		t.Error(out.String())
	}
}

func TestDifferentOutcomeIsAnError(t *testing.T) {
	var out bytes.Buffer
	d := &Demo{out: &out, subject: "test"}
	d.check("as expected", "200", "200")
	if err := d.conclude(); err != nil {
		t.Errorf("all as expected: %v", err)
	}
	d.check("not as expected", "35", "200")
	if err := d.conclude(); !errors.Is(err, ErrDifferent) || !strings.Contains(out.String(), "WRONG") {
		t.Errorf("an impostor was let in, and the verdict is %v", err)
	}
}
