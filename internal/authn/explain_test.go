package authn

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// explained explains a request, twice, and then verifies it: all three must
// agree, or explaining would have spent something or told another story.
func explained(t *testing.T, f *fixture, what string, req *Request) Explanation {
	t.Helper()
	var x Explanation
	for range 2 {
		again := *req
		var err error
		if x, err = f.Explain(t.Context(), &again); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	code := id2.CodeOK
	_, err := f.Verify(t.Context(), req)
	var r *Refusal
	if errors.As(err, &r) {
		code = r.Code
	} else if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if x.Code != code || (x.Reason == "") != (code == id2.CodeOK) {
		t.Errorf("%s: explained as %d %q, verified as %d", what, x.Code, x.Reason, code)
	}
	return x
}

// says fails unless the step or a hint holds the words.
func says(t *testing.T, what string, x Explanation, step string, ok bool, words string) {
	t.Helper()
	for _, s := range x.Steps {
		if s.Name == step {
			if s.OK != ok || !strings.Contains(s.Detail, words) {
				t.Errorf("%s: step %+v, want ok %t and %q", what, s, ok, words)
			}
			return
		}
	}
	t.Errorf("%s: there is no step %s in %+v", what, step, x.Steps)
}

func TestExplain(t *testing.T) {
	onBoth(t, func(t *testing.T, f *fixture) {
		p := f.product(id2.AES128, nil)
		d := f.device(p)
		stranger := *d
		stranger.id = strings.Repeat("F", 24)

		good := d.timeCode()
		x := explained(t, f, "a good time", d.request(good))
		says(t, "a good time", x, "single use", true, "was not spent")
		says(t, "a good time", x, "licence", true, "would take one")
		if !strings.HasPrefix(x.Message, hex.EncodeToString([]byte(d.id))) {
			t.Errorf("message %s", x.Message)
		}
		x = explained(t, f, "the same again", d.request(good))
		says(t, "the same again", x, "single use", false, "used already")

		challenge := d.challengeCode()
		x = explained(t, f, "a good challenge", d.request(challenge))
		says(t, "a good challenge", x, "value", true, "issued for this id")
		says(t, "a good challenge", x, "licence", true, "holds one")
		x = explained(t, f, "the challenge again", d.request(challenge))
		says(t, "the challenge again", x, "single use", false, "35")

		late := d.challengeCode()
		f.clock.Advance(6 * time.Minute)
		says(t, "an old challenge", explained(t, f, "an old challenge", d.request(late)), "value", false, "has expired since")
		foreign := d.code(id2.Challenge, strings.Repeat("AB", 16), "")
		says(t, "a foreign challenge", explained(t, f, "a foreign challenge", d.request(foreign)), "value", false, "issued elsewhere")
		says(t, "a slow clock", explained(t, f, "a slow clock", d.request(d.code(id2.Timestamp, d.stamp(-11*time.Minute), ""))), "value", false, "11m0s behind")
		says(t, "a fast clock", explained(t, f, "a fast clock", d.request(d.code(id2.Timestamp, d.stamp(12*time.Minute), ""))), "value", false, "12m0s ahead")

		x = explained(t, f, "a malformed code", d.request("nonsense"))
		says(t, "a malformed code", x, "form", false, "21")
		if len(x.Steps) != 1 {
			t.Errorf("a malformed code: %+v", x.Steps)
		}
		says(t, "an unknown id", explained(t, f, "an unknown id", stranger.request(d.timeCode())), "device", false, "18")
		req := d.request(d.timeCode())
		req.ProductKey = "nonsense"
		x = explained(t, f, "another product", req)
		says(t, "another product", x, "product", false, "bound to "+p.Key)
		says(t, "another product", x, "signature", true, "")

		req = d.request(strings.Replace(d.timeCode(), "~2~", "~1~", 1))
		says(t, "a digest that is not allowed", explained(t, f, "a digest that is not allowed", req), "hash", false, "the product allows sha256")
		req = d.request(d.code(id2.TimestampExtra, d.stamp(0), ""))
		req.Extra = "v2"
		x = explained(t, f, "an extra that was not signed", req)
		says(t, "an extra that was not signed", x, "signature", false, "21")
		if len(x.Hints) != 1 || x.Hints[0] != "it matches without the extra" {
			t.Errorf("hints %q", x.Hints)
		}
		x = explained(t, f, "an extra that is not given", d.request(d.code(id2.TimestampExtra, d.stamp(0), "v2")))
		if len(x.Hints) != 1 || !strings.Contains(x.Hints[0], "none is given") {
			t.Errorf("hints %q", x.Hints)
		}
		req = d.request(d.timeCode())
		req.Encrypt, req.Data = true, strings.Repeat("A", 600)
		says(t, "data too long", explained(t, f, "data too long", req), "data", false, "36")

		by := audit.Actor{Name: "operator"}
		if _, err := f.reg.Suspend(t.Context(), p.Org, d.id, by); err != nil {
			t.Fatal(err)
		}
		x = explained(t, f, "suspended", d.request(d.timeCode()))
		says(t, "suspended", x, "state", false, "45")
		says(t, "suspended", x, "signature", true, "")

		full := f.product(id2.AES128, func(s *registry.ProductSpec) { s.Quota = 0 })
		says(t, "no licence", explained(t, f, "no licence", f.device(full).request(f.device(full).timeCode())), "signature", false, "21")
		other := f.device(full)
		says(t, "no licence left", explained(t, f, "no licence left", other.request(other.timeCode())), "licence", false, "16")

		events, err := f.reg.AuditEvents(t.Context(), registry.AuditFilter{Action: "device.explain", Limit: 1000})
		if err != nil || len(events) < 30 {
			t.Errorf("%d events, %v", len(events), err)
		}
		for _, e := range events {
			if strings.Contains(e.Detail, "~") {
				t.Fatalf("the record holds a code: %s", e.Detail)
			}
		}
	})
}
