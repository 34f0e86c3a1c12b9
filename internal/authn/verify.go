package authn

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
)

// maxCiphertext is the longest ciphertext that every device generation is
// documented to take (id2 §2.2), in bytes.
const maxCiphertext = 512

// Request asks to verify a device authentication code, and, where asked, to
// encrypt data for the device and to prove the server to it.
type Request struct {
	Org        registry.ID
	ID2        string
	AuthCode   string
	ProductKey string
	Extra      string // "" is none

	Encrypt bool
	Data    string

	Mutual          bool
	DeviceChallenge string
	ServerExtra     string // "" is none

	By audit.Actor
}

// Result is what a verified request gets.
type Result struct {
	EncryptData    string // base64
	ServerAuthCode string
}

// verification is a request on its way through the checks.
type verification struct {
	*Request
	now     time.Time
	at      registry.Instant
	code    id2.AuthCode
	device  registry.LiveDevice
	product *registry.LiveProduct
	message []byte
	// what the code answers to: a challenge, or a time
	challenge issued
	stamp     time.Time
	plain     []byte
}

// Verify checks a code in the order of DESIGN §4: what needs no state, the
// device and its product, the signature, the answer's parts, and only then
// spends the code and takes a licence. The error is a *Refusal, or a failure
// of the store or the guard.
func (s *Service) Verify(ctx context.Context, req *Request) (Result, error) {
	v := verification{Request: req, now: s.now()}
	v.at = registry.At(v.now)
	scr := s.scratch.Get().(*scratch)
	defer s.scratch.Put(scr)
	result, err := s.verify(ctx, &v, scr)
	if err != nil {
		s.noteRefusal(&v, err)
	}
	return result, err
}

func (s *Service) verify(ctx context.Context, v *verification, scr *scratch) (Result, error) {
	for st := stepForm; st <= stepSignature; st++ {
		if err := s.check(ctx, v, scr, st); err != nil {
			return Result{}, err
		}
	}
	result, err := s.prepareAnswer(v)
	if err != nil {
		return Result{}, err
	}
	undo, err := s.daily.take(v)
	if err != nil {
		return Result{}, err
	}
	// A caller who goes away from here on must not leave a code spent for
	// nothing; guard and store bound their own time.
	ctx = context.WithoutCancel(ctx)
	if err := s.spend(ctx, v, scr); err != nil {
		undo()
		return Result{}, err
	}
	if err := s.license(ctx, v); err != nil {
		undo()
		return Result{}, err
	}
	s.usage.add(v.device.Asset, v.at)
	return result, nil
}

// step is one of the checks before a code is spent, in their order.
type step uint8

const (
	stepForm      step = iota // of the code and the parameters
	stepDevice                // it exists
	stepStanding              // its state
	stepProduct               // it is the device's
	stepHash                  // algorithm and digest are the product's
	stepValue                 // the time, or the challenge
	stepSignature             // it is the device's
)

// check makes one check. Those before it must have been made; scr is for the
// signature alone.
func (s *Service) check(ctx context.Context, v *verification, scr *scratch, st step) (err error) {
	switch st {
	case stepForm:
		return v.checkForm()
	case stepDevice:
		v.device, err = s.device(ctx, v.Org, v.ID2)
		return err
	case stepStanding:
		return checkStanding(&v.device, v.at)
	case stepProduct:
		v.product, err = s.product(ctx, v)
		return err
	case stepHash:
		return v.checkHash()
	case stepValue:
		return s.checkValue(ctx, v)
	}
	scr.message = id2.AppendMessage(scr.message[:0], v.ID2, v.code.DeviceRandom, v.code.Value, []byte(v.Extra))
	v.message = scr.message
	if !v.device.Key.Verify(v.code.Hash, v.message, v.code.Signature) {
		return refuse(id2.CodeAuthCode, "the signature of the auth code does not match: wrong key, wrong extra or a changed code")
	}
	return nil
}

// checkForm refuses what is wrong whatever the server holds.
func (v *verification) checkForm() (err error) {
	if v.code, err = id2.ParseAuthCode(v.AuthCode); err != nil {
		return refuse(id2.CodeAuthCode, "the auth code is malformed: type~hash~random~value~signature is needed")
	}
	if len(v.Extra) > id2.MaxExtraLength {
		return refuse(id2.CodeDeviceExtra, "the device extra is longer than 512 bytes")
	}
	if v.Extra != "" && !v.code.Kind.HasExtra() {
		return refuse(id2.CodeAuthCode, "an extra was given, but the auth code is of a type without one")
	}
	if !v.Mutual {
		return nil
	}
	if c := v.DeviceChallenge; c == "" || len(c) > id2.MaxDeviceChallengeLength || strings.ContainsAny(c, "~\x00") {
		return refuse(id2.CodeDeviceChallenge, "the device challenge must have 1 to 128 characters and no ~")
	}
	if len(v.ServerExtra) > id2.MaxExtraLength {
		return refuse(id2.CodeServerExtra, "the server extra is longer than 512 bytes")
	}
	return nil
}

// find looks up the device and its product and refuses what their state forbids.
func (s *Service) find(ctx context.Context, v *verification) error {
	for st := stepDevice; st <= stepHash; st++ {
		if err := s.check(ctx, v, nil, st); err != nil {
			return err
		}
	}
	return nil
}

// checkHash refuses a code whose device or digest is not of the product's kind.
func (v *verification) checkHash() error {
	if v.product.Algorithm != v.device.Key.Algorithm() {
		return refuse(id2.CodeNotSupported, "the device's key is not of the product's algorithm")
	}
	if !v.product.Hashes.Has(v.code.Hash) {
		return refuse(id2.CodeAuthCode, "the auth code's hash is not one the product names")
	}
	return nil
}

// product returns the product that the request names if the device is bound to
// it, or to none.
func (s *Service) product(ctx context.Context, v *verification) (*registry.LiveProduct, error) {
	bound := v.device.BoundTo(v.at)
	if bound != nil && bound.Key == v.ProductKey {
		return bound, nil
	}
	named, err := s.registry.LiveProduct(ctx, v.Org, v.ProductKey)
	switch {
	case err == registry.ErrNotFound:
		return nil, refuse(id2.CodeProductNotFound, "the product key does not exist in this organisation")
	case err != nil:
		return nil, err
	case bound != nil:
		return nil, refuse(id2.CodeAlreadyActivated, "the device belongs to another product")
	}
	return named, nil
}

// checkValue judges the time or the challenge without spending it.
func (s *Service) checkValue(ctx context.Context, v *verification) (err error) {
	if v.code.Kind.IsTimestamp() {
		ms, ok := parseMillis(v.code.Value)
		v.stamp = time.UnixMilli(ms)
		if off := v.now.Sub(v.stamp); !ok || off <= -Skew || off >= Skew {
			return refuse(id2.CodeTimestampExpired, "the timestamp is not within 10 minutes of the server's clock (milliseconds since 1970)")
		}
		return nil
	}
	var ok bool
	v.challenge, ok, err = s.challenges.open(ctx, v.Org, v.ID2, v.code.Value, v.now)
	if err != nil {
		return err
	}
	if !ok {
		return refuse(id2.CodeChallenge, "the challenge was not issued for this device, has expired, or is older than the server's last start: ask for a new one")
	}
	return nil
}

// parseMillis reads decimal digits only: the form of id2 §1.1.
func parseMillis(s string) (int64, bool) {
	if len(s) == 0 || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	ms, err := strconv.ParseInt(s, 10, 64)
	return ms, err == nil && ms < 1<<52 // beyond that time arithmetic would overflow
}

// prepareAnswer makes everything that will be sent before the code is spent,
// so that nothing can fail between.
func (s *Service) prepareAnswer(v *verification) (r Result, err error) {
	if v.Encrypt {
		if r.EncryptData, err = s.encrypt(v); err != nil {
			return Result{}, err
		}
	}
	if v.Mutual {
		r.ServerAuthCode, err = s.serverCode(v)
	}
	return r, err
}

func (s *Service) encrypt(v *verification) (string, error) {
	v.plain = []byte(v.Data)
	if v.product.HexData {
		plain, err := hex.DecodeString(v.Data)
		if err != nil {
			return "", refuse(id2.CodeData, "the product takes Data as hexadecimal digits, and this is not")
		}
		v.plain = plain
	}
	size := v.device.Key.CiphertextSize(len(v.plain))
	if len(v.Data) == 0 || size < 0 || size > maxCiphertext {
		return "", refuse(id2.CodeData, "the data is empty, or longer than a device can decrypt (512 bytes of ciphertext; one block for RSA)")
	}
	sealed, err := v.device.Key.Encrypt(s.random, v.plain)
	if err != nil {
		return "", refuse(id2.CodeCrypto, "the data could not be encrypted")
	}
	return base64.StdEncoding.EncodeToString(sealed), nil
}

func (s *Service) serverCode(v *verification) (code string, err error) {
	key := &v.device.Key
	extra, has := []byte(v.ServerExtra), v.ServerExtra != ""
	switch {
	case key.Algorithm().Symmetric():
		code, err = key.ServerCode(v.code.Hash, v.ID2, v.DeviceChallenge, extra, has)
	case v.product.Server != nil:
		code, err = v.product.Server.ServerCode(s.random, v.code.Hash, v.ID2, v.DeviceChallenge, extra, has)
	default:
		return "", refuse(id2.CodeNotSupported, "the product has no server key: create it with --two-way-auth")
	}
	if err != nil {
		return "", refuse(id2.CodeCrypto, "the server code could not be made")
	}
	return code, nil
}

// spend makes the code count, exactly once. A device that changed since it was
// read is judged again.
func (s *Service) spend(ctx context.Context, v *verification, scr *scratch) error {
	err := s.guard.Spend(ctx, v.toSpend(scr))
	for range maxTries {
		if !errors.Is(err, replay.ErrChanged) {
			break
		}
		s.registry.Forget(v.Org, v.ID2)
		if err := s.find(ctx, v); err != nil {
			return err
		}
		if !v.device.Key.Verify(v.code.Hash, v.message, v.code.Signature) {
			return refuse(id2.CodeAuthCode, "the device's key was changed")
		}
		err = s.guard.Spend(ctx, v.toSpend(scr))
	}
	return v.spendError(err)
}

func (v *verification) toSpend(scr *scratch) replay.Code {
	c := replay.Code{Asset: int64(v.device.Asset), Version: int64(v.device.Version)}
	if v.code.Kind.IsTimestamp() {
		c.Timestamp, c.At, c.Key = true, v.stamp, scr.replayKey(v.Org, v.message)
		return c
	}
	c.At, c.Counter, c.Tick, c.Now = v.challenge.at, v.challenge.counter, v.challenge.tick, v.challenge.now
	c.Key = v.challenge.sealed // as good as a keyed hash: the block is enciphered, and issued once
	return c
}

// spendError puts the guard's refusals in the terms of the wire.
func (v *verification) spendError(err error) error {
	switch {
	case errors.Is(err, replay.ErrSpent) && !v.code.Kind.IsTimestamp():
		return refuse(id2.CodeChallenge, "the challenge was used already")
	case errors.Is(err, replay.ErrSpent):
		return refuse(id2.CodeTimestampRepeated, "the timestamp auth code was used already")
	case errors.Is(err, replay.ErrStale) && !v.code.Kind.IsTimestamp():
		return refuse(id2.CodeChallenge, "the challenge has expired: ask for a new one")
	case errors.Is(err, replay.ErrStale):
		return refuse(id2.CodeTimestampExpired, "the server cannot vouch that this timestamp was not used before it last started: ask the device for a newer one")
	case errors.Is(err, replay.ErrFull):
		return refuse(id2.CodeBusy, "too many timestamp codes in the last ten minutes: try again later")
	case errors.Is(err, replay.ErrUnresolved):
		return refuse(id2.CodeBusy, "whether the code was spent is not known, because the database was lost: use a new code")
	case errors.Is(err, replay.ErrChanged):
		return refuse(id2.CodeBusy, "the device is being changed by others: try again")
	}
	return err
}

// replayKey is what makes two codes the same: organisation and signed message,
// never the code's text or signature, which have many spellings.
func (scr *scratch) replayKey(org registry.ID, message []byte) replay.Key {
	scr.replay.Reset()
	binary.BigEndian.PutUint64(scr.sum[:8], uint64(org))
	scr.replay.Write(scr.sum[:8])
	scr.replay.Write(message)
	return replay.Key(scr.replay.Sum(scr.sum[:0])[:16])
}

// maxTries bounds how often a device may change under a verification.
const maxTries = 5

// license gives the device a licence if it holds none: on its first success,
// after its release, or at the renewal of an expired one.
func (s *Service) license(ctx context.Context, v *verification) error {
	for range maxTries {
		reason, need := v.reason()
		if !need {
			return nil
		}
		err := s.registry.Activate(ctx, registry.Activation{
			Org: v.Org, Asset: v.device.Asset, ID2: v.ID2, Version: int64(v.device.Version), Product: v.product.Key,
			Reason: reason, At: v.at, Until: v.licenceEnd(reason),
		}, v.By)
		if !errors.Is(err, registry.ErrConflict) {
			return licenceError(err)
		}
		if err := s.find(ctx, v); err != nil { // somebody was faster: judge the device as it is now
			return err
		}
	}
	return refuse(id2.CodeBusy, "the device is being changed by others: try again")
}

// licenceEnd is when the licence that the device holds afterwards ends.
func (v *verification) licenceEnd(reason registry.Reason) registry.Instant {
	if reason == registry.ReasonFirstUse {
		return v.device.LicenceUntil
	}
	return v.product.LicenceEnd(v.at)
}

func licenceError(err error) error {
	if errors.Is(err, registry.ErrQuota) {
		return refuse(id2.CodeQuota, "the product has no licence left")
	}
	return err
}

// reason tells whether the device must be activated now, and why. One that was
// provisioned holds its licence already, unless that has ended since.
func (v *verification) reason() (registry.Reason, bool) {
	switch v.device.Standing(v.at) {
	case registry.Active:
		return "", false
	case registry.Expired:
		return registry.ReasonRenew, true
	}
	if v.at < v.device.LicenceUntil {
		return registry.ReasonFirstUse, true
	}
	return registry.ReasonActivate, true
}
