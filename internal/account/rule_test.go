package account_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"strings"
	"testing"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/registry"
)

func TestRules(t *testing.T) {
	wang := pkix.Name{Names: []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{2, 5, 4, 6}, Value: "CN"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "Example, Ltd"},
		{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "王丽"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 5}, Value: "42"}}}
	double := pkix.Name{Names: append(wang.Names[:3:3], pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "王丽"})}
	for _, c := range []struct {
		rule    string
		subject pkix.Name
		fits    bool
	}{
		{"CN=王丽", wang, true}, {"CN=王丽,serialNumber=42", wang, true}, {`O=Example\, Ltd,CN=王丽`, wang, true}, {" CN=王丽, C=CN", wang, true},
		{"CN=王丽 ", wang, false}, {"CN=王", wang, false}, {"serialNumber=4", wang, false}, {"UID=42", wang, false}, {"CN=王丽,OU=x", wang, false},
		{"CN=王丽", double, false}, {"CN=王丽", pkix.Name{}, false},
	} {
		rule, err := account.ParseRule(c.rule)
		if err != nil || rule.Fits(c.subject) != c.fits {
			t.Errorf("%q: fits %v, %v", c.rule, rule.Fits(c.subject), err)
		}
	}
	if (account.Rule{}).Fits(wang) {
		t.Error("an empty rule fits")
	}
	for _, bad := range []string{"", "CN", "CN=", "O=Example", "CN=a,CN=b", "cn=a", "1.2.3=a,CN=b", "CN=a,", ",CN=a", "CN=a\x00", "CN=\xff", "CN=" + strings.Repeat("a", 500)} {
		var invalid *registry.InvalidError
		if rule, err := account.ParseRule(bad); !errors.As(err, &invalid) {
			t.Errorf("%q was read as %q, %v", bad, rule, err)
		}
	}
}

func TestBindings(t *testing.T) {
	f := newFixture(t)
	ca, caKey := issue(t, pkix.Name{CommonName: "CA"}, nil, nil)
	otherCA, otherKey := issue(t, pkix.Name{CommonName: "CA"}, nil, nil) // of the same name
	wang, _ := issue(t, pkix.Name{CommonName: "Wang", SerialNumber: "1"}, ca, caKey)
	renewed, _ := issue(t, pkix.Name{CommonName: "Wang", SerialNumber: "1"}, ca, caKey)
	elsewhere, _ := issue(t, pkix.Name{CommonName: "Wang", SerialNumber: "1"}, otherCA, otherKey)
	f.create("card", account.Admin)
	f.create("rule", account.Viewer)
	bind := func(name string, spec account.BindingSpec) registry.ID {
		t.Helper()
		b, err := f.Bind(t.Context(), name, spec, by)
		f.must(err)
		return b.ID
	}
	if _, err := f.ByCertificate(t.Context(), wang, ca); !errors.Is(err, account.ErrUnbound) {
		t.Errorf("a chain alone: %v", err)
	}
	card := bind("card", account.BindingSpec{Fingerprint: strings.ToUpper(account.Fingerprint(wang))})
	bind("rule", account.BindingSpec{Authority: account.Fingerprint(ca), Subject: "CN=Wang"})
	if b, err := f.ByCertificate(t.Context(), wang, ca); err != nil || b.Name != "card" {
		t.Errorf("the certificate itself: %+v, %v", b, err)
	}
	if b, err := f.ByCertificate(t.Context(), renewed, ca); err != nil || b.Name != "rule" {
		t.Errorf("another certificate of the subject: %+v, %v", b, err)
	}
	for name, get := range map[string]func() error{
		"of another authority of the same name": func() error { _, err := f.ByCertificate(t.Context(), elsewhere, otherCA); return err },
		"without an authority":                  func() error { _, err := f.ByCertificate(t.Context(), renewed, nil); return err },
		"the authority itself":                  func() error { _, err := f.ByCertificate(t.Context(), ca, nil); return err },
	} {
		if err := get(); !errors.Is(err, account.ErrUnbound) {
			t.Errorf("%s: %v", name, err)
		}
	}
	bind("card", account.BindingSpec{Authority: account.Fingerprint(ca), Subject: "serialNumber=1"})
	if _, err := f.ByCertificate(t.Context(), renewed, ca); !errors.Is(err, account.ErrAmbiguous) {
		t.Errorf("rules of two accounts: %v", err)
	}
	if _, err := f.Bind(t.Context(), "rule", account.BindingSpec{Fingerprint: account.Fingerprint(wang)}, by); !errors.Is(err, registry.ErrExists) {
		t.Errorf("one certificate for two accounts: %v", err)
	}
	if _, err := f.SetDisabled(t.Context(), "card", true, by); err != nil {
		t.Fatal(err)
	}
	if _, err := f.ByCertificate(t.Context(), wang, ca); !errors.Is(err, account.ErrDisabled) {
		t.Errorf("of a disabled account: %v", err)
	}
	f.must(f.Unbind(t.Context(), "card", card, by))
	if err := f.Unbind(t.Context(), "rule", card, by); !errors.Is(err, registry.ErrNotFound) {
		t.Errorf("unbound twice: %v", err)
	}
	for name, spec := range map[string]account.BindingSpec{
		"nothing": {}, "not hex": {Fingerprint: "zz"}, "SHA-1": {Fingerprint: strings.Repeat("a", 40)}, "both": {Fingerprint: account.Fingerprint(ca), Authority: account.Fingerprint(ca), Subject: "CN=x"},
		"no subject": {Authority: account.Fingerprint(ca)}, "no authority": {Subject: "CN=x"}, "no person": {Authority: account.Fingerprint(ca), Subject: "O=x"},
		"long label": {Fingerprint: account.Fingerprint(ca), Label: strings.Repeat("x", 201)},
	} {
		var invalid *registry.InvalidError
		if _, err := f.Bind(t.Context(), "rule", spec, by); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A rule that is read prints as what reads the same.
func FuzzRule(f *testing.F) {
	for _, s := range []string{"CN=a", `CN=a\,b\\,O=c`, "serialNumber=1,UID=x", "CN==", "CN=a,,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := account.ParseRule(text)
		if err != nil {
			return
		}
		again, err := account.ParseRule(rule.String())
		if err != nil && len(rule.String()) <= 500 || err == nil && again.String() != rule.String() {
			t.Errorf("%q → %q → %v, %v", text, rule, again, err)
		}
	})
}
