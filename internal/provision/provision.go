// Package provision gives devices their identity by one-time token (动态下发):
// it opens a device's OTP authentication code, decides whether the device may
// have an id and a key, and seals both for it. It speaks the ID² protocol's
// terms and knows nothing of HTTP.
package provision

import (
	"context"
	"errors"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/authn"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// Options configures New.
type Options struct {
	Registry *registry.Registry
	// Note records a refusal worth knowing that concerns a device; nil records none.
	Note func(asset registry.ID, code id2.Code, e audit.Event)
	Now  func() time.Time
}

// Service provisions devices. It is safe for concurrent use.
type Service struct{ Options }

// New returns a service.
func New(o Options) *Service { return &Service{o} }

// Request asks for the identity of a device.
type Request struct {
	Org registry.ID
	// ProductKey is what a device without a back end says of itself (id2 §4.6). It
	// names the organisation, in place of Org, and the only product that will do.
	ProductKey string
	Code       []byte // the device's OTP authentication code (id2 §4.2)
	By         audit.Actor
}

// Result is what a provisioned device gets.
type Result struct {
	Remaining int64  // licences left
	Data      []byte // provision data (id2 §4.3)
}

func refuse(code id2.Code, reason string) error { return &authn.Refusal{Code: code, Reason: reason} }

// provisioning is a request on its way through the checks.
type provisioning struct {
	Request
	product registry.TokenProduct
	otp     id2.OTPRequest
	asked   registry.Asked
	known   registry.Known
}

// maxTries bounds how often a device may change under its provisioning.
const maxTries = 5

// Provision checks a code and gives its device an id and a new key. The error is
// an *authn.Refusal, or a failure of the store.
func (s *Service) Provision(ctx context.Context, req *Request) (Result, error) {
	p := provisioning{Request: *req}
	result, err := s.provision(ctx, &p)
	if err != nil {
		s.noteRefusal(&p, err)
	}
	return result, err
}

func (s *Service) provision(ctx context.Context, p *provisioning) (Result, error) {
	if err := s.open(ctx, p); err != nil {
		return Result{}, err
	}
	// A caller who goes away from here on must not leave the outcome unknown; the
	// store bounds its own time.
	ctx = context.WithoutCancel(ctx)
	for range maxTries {
		result, err := s.try(ctx, p)
		if !errors.Is(err, registry.ErrConflict) {
			return result, storeError(err)
		}
	}
	return Result{}, refuse(id2.CodeBusy, "the device is being changed by others: try again")
}

// open finds the product, and in the code what the device asks for.
func (s *Service) open(ctx context.Context, p *provisioning) error {
	code, err := id2.ParseOTPAuthCode(p.Code)
	if err != nil {
		return refuse(id2.CodeAuthCode, "the auth code is not one of one-time provisioning, as id2_client_get_otp_auth_code makes it")
	}
	if err := s.find(ctx, p, code.KeyHash[:]); err != nil {
		return err
	}
	p.otp, err = code.Open(p.product.Token)
	switch {
	case errors.Is(err, id2.ErrFingerprint):
		return refuse(id2.CodeFingerprint, "the device's fingerprint is empty or longer than 128 bytes")
	case err != nil:
		return refuse(id2.CodeAuthCode, "the auth code was damaged")
	case p.otp.KeyType.Algorithm() != p.product.Algorithm:
		return refuse(id2.CodeNotSupported, "the device's software is built for another kind of key than the product's")
	}
	p.asked = registry.Asked{Product: &p.product.Product, Fingerprint: p.otp.Fingerprint, Code: p.Code}
	return nil
}

// find finds the product that the device names, or else the one of the
// organisation whose token made the code. That the named one's token made it is
// for the code to show when it is opened.
func (s *Service) find(ctx context.Context, p *provisioning, keyHash []byte) (err error) {
	reason := "the auth code was made with a token (ProductSecret) of no product in this organisation"
	if p.ProductKey == "" {
		p.product, err = s.Registry.TokenProduct(ctx, p.Org, keyHash)
	} else {
		p.product, err = s.Registry.NamedTokenProduct(ctx, p.ProductKey)
		reason = "no product has the key that the device names"
	}
	switch {
	case errors.Is(err, registry.ErrNotFound):
		return refuse(id2.CodeProductNotFound, reason)
	case err != nil:
		return err
	case !p.product.OTP:
		return refuse(id2.CodeOTPDisabled, "the product was made without --otp")
	}
	p.Org = p.product.Org
	return nil
}

// try provisions the device as it is known now.
func (s *Service) try(ctx context.Context, p *provisioning) (Result, error) {
	var err error
	if p.known, err = s.Registry.Known(ctx, p.asked); err != nil {
		return Result{}, err
	}
	if err := p.admit(); err != nil {
		return Result{}, err
	}
	got, err := s.Registry.Provision(ctx, p.asked, p.known, p.By)
	if err != nil {
		return Result{}, err
	}
	data, err := p.otp.ProvisionData(got.ID2, &got.Key)
	return Result{Remaining: got.Remaining, Data: data}, err
}

const usedAlready = "the auth code was used already: let the device make a new one"

// admit decides whether a device that is known may be provisioned again. The
// token is in every copy of the firmware, and so whoever knows a fingerprint
// could take the device's place: only a device that has not yet authenticated
// gets a new key without asking.
func (p *provisioning) admit() error {
	d := &p.known.Device
	switch {
	case p.known.Spent:
		return refuse(id2.CodeAuthCode, usedAlready)
	case d.Asset == 0:
		return nil
	case d.State == registry.Suspended:
		return refuse(id2.CodeSuspended, "the device is suspended: hallmark device resume ends that")
	case d.State == registry.Discarded:
		return refuse(id2.CodeDiscarded, "the device was discarded")
	case d.Product != p.product.Key:
		return refuse(id2.CodeAlreadyActivated, "the device belongs to another product by now")
	case d.Activated != 0 && !p.known.Allowed && !p.product.AllowReprovision:
		return refuse(id2.CodeFingerprintDuplicate,
			"the device has authenticated since it was provisioned: hallmark device allow-reprovision lets it have a new key once")
	}
	return nil
}

// storeError puts what the store refused in the terms of the wire.
func storeError(err error) error {
	switch {
	case errors.Is(err, registry.ErrSpent):
		return refuse(id2.CodeAuthCode, usedAlready)
	case errors.Is(err, registry.ErrQuota):
		return refuse(id2.CodeQuota, "the product has no licence left")
	case errors.Is(err, registry.ErrBusy):
		return refuse(id2.CodeBusy, "more devices ask than the database can take: try again")
	case errors.Is(err, registry.ErrUnknown):
		return refuse(id2.CodeBusy, "whether the device was provisioned is not known, because the database was lost: let it make a new auth code")
	}
	return err
}

// noteworthy are the refusals that hint at a copied firmware or fingerprint.
var noteworthy = map[id2.Code]bool{
	id2.CodeAuthCode: true, id2.CodeAlreadyActivated: true, id2.CodeFingerprintDuplicate: true,
	id2.CodeSuspended: true, id2.CodeDiscarded: true,
}

func (s *Service) noteRefusal(p *provisioning, err error) {
	var r *authn.Refusal
	d := &p.known.Device
	if s.Note == nil || d.Asset == 0 || !errors.As(err, &r) || !noteworthy[r.Code] {
		return
	}
	event := p.By.Did("device.refused", "device", d.Asset.String(), map[string]any{"id2": d.ID2, "code": int(r.Code), "reason": r.Reason})
	event.At = s.Now().UnixMilli()
	s.Note(d.Asset, r.Code, event.In(int64(p.Org)))
}
