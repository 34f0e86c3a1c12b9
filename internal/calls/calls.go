// Package calls knows the calls of every door, as load: what has to be on a server
// before one can be made, how to make many ready requests of it, and how to read
// the answers.
package calls

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/load"
	"github.com/hallmark-id/hallmark/internal/target"
)

// Kind is a call that can be made.
type Kind struct {
	Name   string
	Door   string // id2, enos or ciss
	Action string // as its protocol calls it
	Help   string
	// Algorithms are those that its keys can be of, the default one first; none
	// where the call has no such choice.
	Algorithms []string

	open func(*site, Kind, *Call) error
}

// Kinds are all calls, door by door.
func Kinds() []Kind {
	all, symmetric := algorithms(func(id2.Algorithm) bool { return true }), algorithms(id2.Algorithm.Symmetric)
	return []Kind{
		{"get-server-random", "id2", "GetServerRandom", "ask for a challenge", all, openID2},
		{"verify-challenge", "id2", "Verify", "verify the answer to a challenge", all, openID2},
		{"verify-timestamp", "id2", "Verify", "verify a signed time, which is spent on disk", all, openID2},
		{"verify-and-encrypt", "id2", "VerifyAndEncrypt", "verify a signed time and encrypt 64 bytes", all, openID2},
		{"mutual-auth", "id2", "GetServerAuthCodeAndEncryptData", "the same, and the server proves itself", all, openID2},
		{"otp-get-id2", "id2", "OtpGetId2", "give a new device its identity; each is a licence", symmetric, openOTP},
		{"token", "enos", "token/get", "ask for an access token", nil, openEnOS},
		{"cert-apply", "enos", "apply", "have a device's key certified", []string{"p256", "rsa2048"}, openEnOS},
		{"cert-renew", "enos", "renew", "renew a device's certificate, P-256", nil, openEnOS},
		{"cert-revoke", "enos", "revoke", "revoke a device's certificate, P-256", nil, openEnOS},
		{"cert-list", "enos", "list", "list a device's certificates, one of P-256", nil, openEnOS},
		{"scan", "ciss", "scan", "an app has scanned a code", nil, openCISS},
		{"login-verify", "ciss", "loginVerify", "its user confirms with an SM2 key", nil, openCISS},
		{"verify-signature", "ciss", "verify", "a back end has an SM2 signature verified", nil, openCISS},
	}
}

// algorithms names those that a condition holds for.
func algorithms(holds func(id2.Algorithm) bool) []string {
	var names []string
	for _, a := range id2.Algorithms() {
		if holds(a) {
			names = append(names, a.String())
		}
	}
	// AES-128 is what most devices have.
	slices.SortStableFunc(names, func(a, b string) int { return compareBool(b == id2.AES128.String(), a == id2.AES128.String()) })
	return names
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

// Find returns the kind of a name.
func Find(name string) (Kind, error) {
	kinds := Kinds()
	var names []string
	for _, k := range kinds {
		if k.Name == name {
			return k, nil
		}
		names = append(names, k.Name)
	}
	if name == "" {
		return Kind{}, fmt.Errorf("which call? There are %s", strings.Join(names, ", "))
	}
	return Kind{}, fmt.Errorf("there is no call %s; there are %s", name, strings.Join(names, ", "))
}

// Choose returns the algorithm of a name, the default one for "".
func (k *Kind) Choose(algorithm string) (string, error) {
	switch {
	case len(k.Algorithms) == 0 && algorithm != "":
		return "", fmt.Errorf("%s has no choice of algorithms", k.Name)
	case len(k.Algorithms) == 0:
		return "", nil
	case algorithm == "":
		return k.Algorithms[0], nil
	case !slices.Contains(k.Algorithms, algorithm):
		return "", fmt.Errorf("the algorithms of %s are %s", k.Name, strings.Join(k.Algorithms, ", "))
	}
	return algorithm, nil
}

// Spec says how a call is to be made.
type Spec struct {
	Algorithm string // one of the kind's
	Devices   int    // that take turns, where there are devices
}

// Call is a call that can be made of a server, on which everything it needs has
// been made.
type Call struct {
	// Prepare makes so many requests. They are to be sent soon: challenges expire,
	// and so does what is signed.
	Prepare func(ctx context.Context, n int) ([]load.Request, error)
	Judge   load.Judge
	// Left names what stays on the server, "" for nothing.
	Left string

	undo []func(context.Context) error
}

// Open makes on a server what a call needs. Close the call in the end.
func (k Kind) Open(ctx context.Context, t target.Target, s Spec) (*Call, error) {
	c := new(Call)
	if err := k.open(&site{Target: t, Spec: s, ctx: ctx, mark: newMark()}, k, c); err != nil {
		return nil, errors.Join(fmt.Errorf("prepare %s: %w", k.Name, err), c.Close(ctx))
	}
	return c, nil
}

// Close takes back what Open made, but for what Left names. It does so also when
// ctx has ended.
func (c *Call) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	var errs []error
	for _, undo := range slices.Backward(c.undo) {
		errs = append(errs, undo(ctx))
	}
	return errors.Join(errs...)
}

const closeTimeout = 10 * time.Second

// newMark is eight hexadecimal digits, the beginning of all ids of a run.
func newMark() string {
	var b [4]byte
	_, _ = rand.Read(b[:]) // it never fails
	return fmt.Sprintf("%X", b)
}

// site is the server while a call is prepared on it.
type site struct {
	target.Target
	Spec
	ctx  context.Context
	mark string // tells what one run makes from what others do
}

// prepareTimeout bounds each request that is made before a load, and idleTimeout
// how long its connection stays open after it: a server lets one address have so
// many.
const (
	prepareTimeout = time.Minute
	idleTimeout    = time.Second
)

// httpClient makes what has to be asked before a load.
func (s *site) httpClient(c *Call) *http.Client {
	client := s.HTTPClient(makers, prepareTimeout)
	client.Transport.(*http.Transport).IdleConnTimeout = idleTimeout
	c.undo = append(c.undo, func(context.Context) error { client.CloseIdleConnections(); return nil })
	return client
}
