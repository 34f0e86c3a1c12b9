package ciss

import (
	"crypto/cipher"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"slices"
	"time"

	"github.com/emmansun/gmsm/sm3"
	"github.com/emmansun/gmsm/sm4"
)

// Channel seals and opens the messages of one app. It is safe for use by several
// goroutines if its source of randomness is.
type Channel struct {
	appID    string
	key      Key
	settings Settings
	location *time.Location
	iv       []byte // of the envelope, zero when that is random
	block    cipher.Block
	newHash  func() hash.Hash
	random   io.Reader
}

// Fault says why a message was not accepted. All faults must look alike from
// outside: the reason is for the operator's eyes (ciss §8).
type Fault struct {
	Reason string
}

// Error returns the reason.
func (f *Fault) Error() string { return "ciss: the message is not accepted: " + f.Reason }

// NewChannel returns the channel of an app. Settings that are not valid are an
// error; random is the source of IVs in prefix mode.
func NewChannel(appID string, key Key, s Settings, random io.Reader) (*Channel, error) {
	if !isAppID(appID) {
		return nil, errors.New("ciss: an appId has 1 to 64 letters, digits, hyphens and underscores")
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	block, err := sm4.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	s.SignForms, s.Order = slices.Clone(s.SignForms), slices.Clone(s.Order)
	c := &Channel{appID: appID, key: key, settings: s, location: s.location(), block: block, newHash: sm3.New, random: random}
	switch s.IV {
	case IVZero, IVPrefix:
		c.iv = make([]byte, blockSize)
	case IVKey:
		c.iv = key[:]
	default:
		c.iv, err = hex.DecodeString(string(s.IV))
	}
	return c, err
}

// Settings returns the app's settings.
func (c *Channel) Settings() Settings { return c.settings }

// encode signs a message and seals it, its members in the order given and the
// signature where order says, at the end if nowhere.
func (c *Channel) encode(k *kind, members []member, at time.Time, order ...string) (string, error) {
	members = append(members, member{name: nameTime, value: at.In(c.location).Format(timeLayout)})
	room := make([]byte, 0, roomFor(members))
	members = append(members, member{name: nameSignature, value: c.sign(k.join(room, c.appID, members), k)})
	if !k.read(members, false) {
		return "", errors.New("ciss: a value of the message is not in its form")
	}
	if len(order) > 0 {
		slices.SortStableFunc(members, func(a, b member) int { return slices.Index(order, a.name) - slices.Index(order, b.name) })
	}
	return c.seal(appendMembers(room, members))
}

// roomFor estimates how long a message of the members and a signature is.
func roomFor(members []member) int {
	size := 2 * maxAppID
	for _, m := range members {
		size += len(m.name) + len(m.value) + len(`"":"",`)
	}
	return size
}

// decode opens a message, checks its signature and that its time is near now.
// Whatever is wrong behind the text encoding, it has done the same
// cryptographic work when it says so: the whole ciphertext decrypted, a
// signature computed, and as many blocks hashed as the longest message in that
// ciphertext would take.
func (c *Channel) decode(k *kind, text string, now time.Time) ([]member, time.Time, error) {
	padded, err := c.unseal(text)
	if err != nil {
		return nil, time.Time{}, err
	}
	members, fault := c.parse(k, padded)
	var signed []byte
	given := ""
	if fault == nil {
		// Over the decrypted message, of which the members are copies: it has room.
		signed, given = k.join(padded[:0], c.appID, members), find(members, nameSignature).value
	}
	same := subtle.ConstantTimeCompare([]byte(c.sign(signed, k)), []byte(given))
	if fault == nil && same == 0 {
		fault = &Fault{"wrong signature"}
	}
	if fault != nil {
		c.burn(digestBlocks(len(padded)+len(c.appID)) - digestBlocks(len(signed)))
		return nil, time.Time{}, fault
	}
	at, err := c.near(find(members, nameTime).value, now)
	return members, at, err
}

// parse reads the members of a decrypted message.
func (c *Channel) parse(k *kind, padded []byte) ([]member, *Fault) {
	plain, ok := unpad(padded)
	if !ok {
		return nil, &Fault{"wrong padding: is the key right?"}
	}
	members, err := parseMembers(plain, c.settings.Lenient)
	if err != nil {
		return nil, &Fault{"not a JSON object of texts"}
	}
	if !k.read(members, c.settings.Lenient) {
		return nil, &Fault{"a field is missing, unknown or not in its form"}
	}
	return members, nil
}

// near reads a timestamp and checks that it is inside the window around now.
func (c *Channel) near(timestamp string, now time.Time) (time.Time, error) {
	at, err := time.ParseInLocation(timeLayout, timestamp, c.location)
	if err != nil {
		return time.Time{}, &Fault{"wrong timestamp"}
	}
	if d := now.Sub(at); d > c.window() || d < -c.window() {
		return time.Time{}, &Fault{"timestamp outside the window"}
	}
	return at, nil
}

func (c *Channel) window() time.Duration { return time.Duration(c.settings.Window) * time.Second }
