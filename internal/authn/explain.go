package authn

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Explanation says step by step why a code would be accepted or refused.
type Explanation struct {
	Code   id2.Code // CodeOK, or that of the first refusal
	Reason string   // of the first refusal
	Steps  []ExplainedStep
	// Message is what the device is to have signed, in hexadecimal digits; empty
	// for a malformed code.
	Message string
	// Hints are what would make a signature match that does not.
	Hints []string
}

// ExplainedStep is one check and what it came to.
type ExplainedStep struct {
	Name   string
	OK     bool
	Detail string
}

// Names of the steps.
var stepNames = [...]string{stepForm: "form", stepDevice: "device", stepStanding: "state", stepProduct: "product", stepHash: "hash",
	stepValue: "value", stepSignature: "signature"}

// Explain makes the checks of Verify, spends nothing and changes nothing. It
// goes on after a refusal where that makes sense. A request without a product
// key is judged for the device's own. It is for operators: it tells more than a
// peer may know, and each call is audited.
func (s *Service) Explain(ctx context.Context, req *Request) (Explanation, error) {
	v := verification{Request: req, now: s.now()}
	v.at = registry.At(v.now)
	scr := s.scratch.Get().(*scratch)
	defer s.scratch.Put(scr)
	x := Explanation{Code: id2.CodeOK}
	if err := s.explain(ctx, &v, scr, &x); err != nil {
		return x, err
	}
	event := req.By.Did("device.explain", "device", v.device.Asset.String(), map[string]any{"id2": req.ID2, "code": int(x.Code)})
	return x, s.registry.NoteRefusals(ctx, []audit.Event{event.In(int64(req.Org))})
}

func (s *Service) explain(ctx context.Context, v *verification, scr *scratch, x *Explanation) error {
	ok := true
	for st := stepForm; st <= stepSignature; st++ {
		if st == stepProduct && v.ProductKey == "" && v.device.Product != nil {
			v.ProductKey = v.device.Product.Key
		}
		if st == stepHash && v.product == nil {
			continue
		}
		err := s.check(ctx, v, scr, st)
		if err := x.add(stepNames[st], v.detail(st), err); err != nil {
			return err
		}
		if err != nil && st <= stepDevice {
			return nil // nothing more can be said
		}
		ok = ok && err == nil
		if st == stepSignature {
			x.Message = hex.EncodeToString(v.message)
			if err != nil {
				x.Hints = v.hints()
			}
		}
	}
	if !ok {
		return nil
	}
	return s.explainUse(ctx, v, scr, x)
}

// explainUse judges what comes after the signature.
func (s *Service) explainUse(ctx context.Context, v *verification, scr *scratch, x *Explanation) error {
	if v.Encrypt {
		_, err := s.prepareAnswer(v)
		if err := x.add("data", "it can be encrypted for the device", err); err != nil || x.Code != id2.CodeOK {
			return err
		}
	}
	if err := x.add("daily limit", "not used up", s.daily.peek(v)); err != nil || x.Code != id2.CodeOK {
		return err
	}
	if err := x.add("single use", "the code was not used before, and was not spent by this", v.spendError(s.guard.Judge(ctx, v.toSpend(scr)))); err != nil || x.Code != id2.CodeOK {
		return err
	}
	reason, need := v.reason()
	switch {
	case !need:
		return x.add("licence", "the device holds one", nil)
	case reason == registry.ReasonFirstUse:
		return x.add("licence", "the device holds one and would be activated", nil)
	}
	p, err := s.registry.Product(ctx, v.Org, v.product.Key)
	if err != nil {
		return err
	}
	if p.Remaining() == 0 {
		err = licenceError(registry.ErrQuota)
	}
	return x.add("licence", "the device would take one ("+string(reason)+")", err)
}

// add notes what a check came to. It returns errors that are no refusals.
func (x *Explanation) add(name, detail string, err error) error {
	var r *Refusal
	if err == nil {
		x.Steps = append(x.Steps, ExplainedStep{name, true, detail})
		return nil
	}
	if !errors.As(err, &r) {
		return err
	}
	if x.Code == id2.CodeOK {
		x.Code, x.Reason = r.Code, r.Reason
	}
	if detail != "" {
		detail = "; " + detail
	}
	x.Steps = append(x.Steps, ExplainedStep{name, false, fmt.Sprintf("%d: %s%s", r.Code, r.Reason, detail)})
	return nil
}

// detail tells what a check was made on.
func (v *verification) detail(st step) string {
	switch st {
	case stepForm:
		if v.code.Signature == nil {
			return ""
		}
		return fmt.Sprintf("type %d, hash %s, device random %s, value %s, signature of %d bytes, extra of %d bytes", v.code.Kind, v.code.Hash,
			v.code.DeviceRandom, v.code.Value, len(v.code.Signature), len(v.Extra))
	case stepDevice:
		if v.device.Asset == 0 {
			return ""
		}
		return "asset " + v.device.Asset.String() + ", key of " + v.device.Key.Algorithm().String()
	case stepStanding:
		return v.device.Standing(v.at).String()
	case stepProduct:
		if bound := v.device.BoundTo(v.at); bound != nil {
			return "the device is bound to " + bound.Key
		}
		return "the device is bound to none"
	case stepHash:
		return "the product allows " + v.product.Hashes.String()
	case stepValue:
		return v.valueDetail()
	}
	return ""
}

// valueDetail tells how far off the device's clock is, or what is known of the
// challenge.
func (v *verification) valueDetail() string {
	if !v.code.Kind.IsTimestamp() {
		return v.challenge.state
	}
	if _, ok := parseMillis(v.code.Value); !ok {
		return "it is no number of milliseconds"
	}
	off := v.stamp.Sub(v.now).Round(time.Millisecond)
	if off < 0 {
		return fmt.Sprintf("the device's clock is %v behind, or the code that old", -off)
	}
	return fmt.Sprintf("the device's clock is %v ahead", off)
}

// hints tries what often goes wrong with a signature.
func (v *verification) hints() (hints []string) {
	extras := []string{v.Extra}
	if v.Extra != "" {
		extras = append(extras, "")
	}
	for i, extra := range extras {
		message := id2.AppendMessage(nil, v.ID2, v.code.DeviceRandom, v.code.Value, []byte(extra))
		for h := id2.MD5; h <= id2.SM3; h++ {
			if h == v.code.Hash && i == 0 || !v.device.Key.Verify(h, message, v.code.Signature) {
				continue
			}
			hint := "it matches"
			if i > 0 {
				hint += " without the extra"
			}
			if h != v.code.Hash {
				hint += " with the digest " + h.String()
			}
			hints = append(hints, hint)
		}
	}
	if v.code.Kind.HasExtra() && v.Extra == "" && len(hints) == 0 {
		hints = append(hints, "the code's type says that an extra was signed, and none is given")
	}
	return hints
}
