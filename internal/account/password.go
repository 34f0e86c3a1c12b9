package account

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// The cost of a password: RFC 9106's and OWASP's small setting.
const (
	argonMemory  = 19 << 10 // KiB
	argonTime    = 2
	argonThreads = 1
	argonSalt    = 16
	argonKey     = 32
)

// Bounds of a password in bytes. The longest is what one hash may cost.
const (
	minPassword = 12
	maxPassword = 512
)

var errShort = invalid("a password has %d to %d bytes and is not the account's name", minPassword, maxPassword)

// Bounds of the work that strangers can ask for: 19 MiB for each hash under way.
const (
	maxHashing = 4
	maxWaiting = 64
)

// hasher hashes passwords, a few at a time.
type hasher struct {
	random  io.Reader
	slots   chan struct{}
	waiting atomic.Int64
}

func newHasher(random io.Reader) *hasher {
	return &hasher{random: random, slots: make(chan struct{}, maxHashing)}
}

// run waits for a place and hashes; ErrBusy when too many wait already.
func (h *hasher) run(ctx context.Context, p params, password string) ([]byte, error) {
	defer h.waiting.Add(-1)
	if h.waiting.Add(1) > maxHashing+maxWaiting {
		return nil, ErrBusy
	}
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	return argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.threads, uint32(len(p.key))), nil
}

// params is a password hash taken apart.
type params struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

var phcBase64 = base64.RawStdEncoding.Strict()

// String returns the PHC form, $argon2id$v=19$m=…,t=…,p=…$salt$key.
func (p params) String() string {
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, p.time, p.threads,
		phcBase64.EncodeToString(p.salt), phcBase64.EncodeToString(p.key))
}

// Bounds of what parsePHC takes: a hash must not cost more than a server has.
const (
	maxArgonMemory = 256 << 10
	maxArgonTime   = 16
	maxArgonBytes  = 64
)

// parsePHC reads the PHC form of a hash.
func parsePHC(s string) (p params, err error) {
	parts := strings.Split(s, "$")
	var version int
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" {
		return p, errPHC
	}
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return p, errPHC
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.threads); err != nil {
		return p, errPHC
	}
	salt, err1 := phcBase64.DecodeString(parts[4])
	key, err2 := phcBase64.DecodeString(parts[5])
	p.salt, p.key = salt, key
	if err1 != nil || err2 != nil || p.String() != s || !p.sane() {
		return p, errPHC
	}
	return p, nil
}

var errPHC = fmt.Errorf("a password hash is damaged")

func (p params) sane() bool {
	return p.threads > 0 && p.time > 0 && p.time <= maxArgonTime && p.memory >= 8*uint32(p.threads) && p.memory <= maxArgonMemory &&
		len(p.salt) >= 8 && len(p.salt) <= maxArgonBytes && len(p.key) >= 16 && len(p.key) <= maxArgonBytes
}

// sealPassword checks a new password and returns its hash, sealed.
func (s *Service) sealPassword(ctx context.Context, id registry.ID, name, password string) ([]byte, error) {
	if len(password) < minPassword || len(password) > maxPassword || strings.EqualFold(password, name) {
		return nil, errShort
	}
	p := params{memory: argonMemory, time: argonTime, threads: argonThreads, salt: make([]byte, argonSalt), key: make([]byte, argonKey)}
	if _, err := io.ReadFull(s.Random, p.salt); err != nil {
		return nil, fmt.Errorf("make a salt: %w", err)
	}
	var err error
	if p.key, err = s.hasher.run(ctx, p, password); err != nil {
		return nil, err
	}
	return s.Ring.Seal([]byte(p.String()), passwordBinding(id))
}

func passwordBinding(id registry.ID) string { return "accounts/password/" + id.String() }

// nobody is what a password is compared with where there is none, so that the
// answer takes as long.
var nobody = params{memory: argonMemory, time: argonTime, threads: argonThreads, salt: make([]byte, argonSalt), key: make([]byte, argonKey)}

// matches reports whether a password is the account's. It costs the same for an
// account without a password, and for none.
func (s *Service) matches(ctx context.Context, row Row, password string) (bool, error) {
	p, real := nobody, len(row.Password) > 0
	if real {
		text, err := s.Ring.Open(row.Password, passwordBinding(row.ID))
		if err != nil {
			return false, named(row.Name, err)
		}
		if p, err = parsePHC(string(text)); err != nil {
			return false, named(row.Name, err)
		}
	}
	if len(password) > maxPassword {
		password = password[:maxPassword+1] // no password is so long
	}
	key, err := s.hasher.run(ctx, p, password)
	return err == nil && subtle.ConstantTimeCompare(key, p.key) == 1 && real, err
}
