package httpd

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
	"time"

	"strings"
)

// enosTokens issues access tokens that need no store: a token names its app key
// and its end, and carries a MAC under a key that all nodes share.
type enosTokens struct {
	key  [32]byte
	life time.Duration

	mu      sync.Mutex
	current map[string]int64 // the end of the token that an app key was given last
}

const (
	tokenVersion = 1
	tokenMAC     = 20 // bytes of the MAC that go into a token
	tokenHead    = 5  // version and end
	// tokenRest is how long a token must live to be given out once more: one that
	// ends while its holder signs with it helps nobody.
	tokenRest = 60
	// maxTokens bounds the app keys remembered; past it the record begins anew, and
	// those who ask get a new token early.
	maxTokens = 100_000
)

func newEnOSTokens(key [32]byte, life time.Duration) *enosTokens {
	return &enosTokens{key: key, life: life, current: make(map[string]int64)}
}

// issue returns the token of an app key and the seconds it still lives: the one
// given last while it lives on, or a new one.
func (t *enosTokens) issue(appKey string, now time.Time, renew bool) (token string, expire int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := now.Unix()
	end := t.current[appKey]
	life := int64(t.life / time.Second)
	if renew || end-at < tokenRest || end-at > life { // that long only if the clock was set back
		if len(t.current) >= maxTokens {
			clear(t.current)
		}
		end = at + life
		t.current[strings.Clone(appKey)] = end
	}
	return t.token(appKey, end), end - at
}

func (t *enosTokens) token(appKey string, end int64) string {
	head := append([]byte{tokenVersion}, binary.BigEndian.AppendUint32(nil, uint32(end))...)
	return base64.RawURLEncoding.EncodeToString(append(head, t.mac(head, appKey)...)) + "." + appKey
}

func (t *enosTokens) mac(head []byte, appKey string) []byte {
	h := hmac.New(sha256.New, t.key[:])
	h.Write(head)
	h.Write([]byte(appKey))
	return h.Sum(nil)[:tokenMAC]
}

// open returns the app key of a token that this or another node issued. A token
// that has ended is told apart by expired.
func (t *enosTokens) open(token string, now time.Time) (appKey string, expired, ok bool) {
	text, appKey, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != tokenHead+tokenMAC || raw[0] != tokenVersion {
		return "", false, false
	}
	if !hmac.Equal(raw[tokenHead:], t.mac(raw[:tokenHead], appKey)) {
		return "", false, false
	}
	if now.Unix() >= int64(binary.BigEndian.Uint32(raw[1:tokenHead])) {
		return appKey, true, false
	}
	return appKey, false, true
}
