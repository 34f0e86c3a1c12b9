package pki

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/emmansun/gmsm/sm2"
	"github.com/emmansun/gmsm/smx509"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// State is where an authority is in its life.
type State uint8

// The states of an authority.
const (
	Pending State = iota // has a key and a request, and waits for its certificate
	Active               // issues; there is one of each kind
	Retired              // issues no more, but keeps its revocation list
)

var stateNames = [...]string{"pending", "active", "retired"}

func (s State) String() string { return stateNames[s] }

// AuthorityRow is an authority as a store keeps it.
type AuthorityRow struct {
	ID      registry.ID
	Kind    Kind
	State   State
	Subject string
	Key     []byte // PKCS#8, sealed
	Request []byte // PKCS#10 in DER while it is pending
	Chain   []byte // certificates in DER, one after the other, its own first
	Created registry.Instant
}

// Authority is an authority as people see it.
type Authority struct {
	ID        registry.ID
	Kind      Kind
	State     State
	Algorithm string // of its key: RSA-2048, P-256, …
	Subject   string
	NotBefore registry.Instant // 0 while it is pending
	NotAfter  registry.Instant
	Created   registry.Instant
	Request   []byte   // DER, while it is pending
	Chain     [][]byte // DER, its own certificate first, the root last
}

// PEM returns the authority's own certificate.
func (a *Authority) PEM() []byte { return certificatesPEM(a.Chain[:min(len(a.Chain), 1)]) }

// ChainPEM returns its certificate and those above it.
func (a *Authority) ChainPEM() []byte { return certificatesPEM(a.Chain) }

// RootPEM returns the certificate at the top, which is its own for a root.
func (a *Authority) RootPEM() []byte { return certificatesPEM(a.Chain[max(len(a.Chain)-1, 0):]) }

func certificatesPEM(ders [][]byte) []byte {
	var text []byte
	for _, der := range ders {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return text
}

// authority is an authority whose key is open.
type authority struct {
	row     AuthorityRow
	signer  crypto.Signer
	scheme  scheme
	chain   []*smx509.Certificate // empty while it is pending
	cert    *smx509.Certificate   // the first of the chain
	subject pkix.RDNSequence
}

// ends is when the first certificate of the chain ends.
func (a *authority) ends() time.Time {
	end := a.cert.NotAfter
	for _, c := range a.chain[1:] {
		if c.NotAfter.Before(end) {
			end = c.NotAfter
		}
	}
	return end
}

// takesKey refuses keys that are not of the authority's kind. One with P-384
// takes P-384, too.
func (a *authority) takesKey(key crypto.PublicKey) error {
	kind, curve := kindOf(key)
	if kind != a.row.Kind {
		return fmt.Errorf("%w: the key is %s, the authority %s", ErrWrongKeyType, kind, a.row.Kind)
	}
	if _, own := kindOf(a.signer.Public()); kind == ECC && curve == P384 && own != P384 {
		return fmt.Errorf("%w: it takes keys on P-256", ErrWrongKeyType)
	}
	return nil
}

// kindOf returns the kind of a public key, 0 for an unknown one.
func kindOf(key crypto.PublicKey) (Kind, Curve) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return RSA, ""
	case *ecdsa.PublicKey:
		switch {
		case key.Curve == elliptic.P256():
			return ECC, P256
		case key.Curve == elliptic.P384():
			return ECC, P384
		case sm2.IsSM2PublicKey(key):
			return SM2, ""
		}
	}
	return 0, ""
}

// view returns what people see.
func (a *authority) view() Authority {
	v := Authority{ID: a.row.ID, Kind: a.row.Kind, State: a.row.State, Subject: a.row.Subject, Created: a.row.Created,
		Algorithm: algorithmName(a.signer.Public()), Request: a.row.Request}
	for _, c := range a.chain {
		v.Chain = append(v.Chain, c.Raw)
	}
	if a.cert != nil {
		v.NotBefore, v.NotAfter = registry.At(a.cert.NotBefore), registry.At(a.cert.NotAfter)
	}
	return v
}

func algorithmName(key crypto.PublicKey) string {
	kind, curve := kindOf(key)
	if k, ok := key.(*rsa.PublicKey); ok {
		return fmt.Sprintf("RSA-%d", k.N.BitLen())
	}
	if curve != "" {
		return string(curve)
	}
	return kind.String()
}

func keyBinding(id registry.ID) string { return "authorities/key/" + id.String() }

// openAuthority opens a row.
func (s *Service) openAuthority(row AuthorityRow) (*authority, error) {
	der, err := s.Ring.Open(row.Key, keyBinding(row.ID))
	if err != nil {
		return nil, fmt.Errorf("key of authority %s: %w", row.ID, err)
	}
	defer clear(der)
	a := &authority{row: row}
	if a.signer, err = parseKey(der); err != nil {
		return nil, fmt.Errorf("key of authority %s: %w", row.ID, err)
	}
	if a.scheme, err = schemeOf(a.signer.Public()); err != nil {
		return nil, err
	}
	if a.chain, err = smx509.ParseCertificates(row.Chain); err != nil {
		return nil, fmt.Errorf("certificates of authority %s: %w", row.ID, err)
	}
	if len(a.chain) > 0 {
		a.cert = a.chain[0]
		a.subject, err = parseDN(a.cert.RawSubject)
	}
	return a, err
}

// parseKey reads a private key in PKCS#8.
func parseKey(der []byte) (crypto.Signer, error) {
	key, err := smx509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("this kind of key does not sign")
	}
	return signer, nil
}

// authoritiesAge is how old what is remembered of authorities may be: other
// nodes change them, too.
const authoritiesAge = 500 * time.Millisecond

// authorityCache remembers authorities with their keys open.
type authorityCache struct {
	mu   sync.Mutex
	read time.Time
	all  []*authority
}

func (c *authorityCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = time.Time{}
}

// open returns all authorities, the oldest first.
func (s *Service) open(ctx context.Context) ([]*authority, error) {
	c := &s.authorities
	c.mu.Lock()
	defer c.mu.Unlock()
	if age := time.Since(c.read); age < authoritiesAge {
		return c.all, nil
	}
	asked := time.Now()
	rows, err := s.Store.Authorities(ctx)
	if err != nil && len(c.all) > 0 {
		// What verifiers need goes on while the store is away; issuing needs it anyway.
		return c.all, nil
	}
	if err != nil {
		return nil, err
	}
	all := make([]*authority, len(rows))
	for i, row := range rows {
		if all[i], err = s.reopen(row, c.all); err != nil {
			return nil, err
		}
	}
	c.all, c.read = all, asked
	return all, nil
}

// reopen returns an authority that is open already, unless it has changed.
func (s *Service) reopen(row AuthorityRow, opened []*authority) (*authority, error) {
	for _, a := range opened {
		if a.row.ID == row.ID && a.row.State == row.State && len(a.row.Chain) == len(row.Chain) {
			return a, nil
		}
	}
	return s.openAuthority(row)
}

// active returns the authority of a kind that issues, or ErrNoAuthority.
func (s *Service) active(ctx context.Context, kind Kind) (*authority, error) {
	all, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if a.row.Kind == kind && a.row.State == Active {
			return a, nil
		}
	}
	return nil, fmt.Errorf("%s: %w", kind, ErrNoAuthority)
}

func (s *Service) find(ctx context.Context, id registry.ID) (*authority, error) {
	all, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(a *authority) bool { return a.row.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("authority %s: %w", id, ErrNotFound)
	}
	return all[i], nil
}

// Authorities lists all authorities, the oldest first.
func (s *Service) Authorities(ctx context.Context) ([]Authority, error) {
	all, err := s.open(ctx)
	views := make([]Authority, len(all))
	for i, a := range all {
		views[i] = a.view()
	}
	return views, err
}

// Authority returns an authority, or ErrNotFound.
func (s *Service) Authority(ctx context.Context, id registry.ID) (Authority, error) {
	a, err := s.find(ctx, id)
	if err != nil {
		return Authority{}, err
	}
	return a.view(), nil
}

// ActiveAuthority returns the authority of a kind that issues, or
// ErrNoAuthority.
func (s *Service) ActiveAuthority(ctx context.Context, kind Kind) (Authority, error) {
	a, err := s.active(ctx, kind)
	if err != nil {
		return Authority{}, err
	}
	return a.view(), nil
}

// AuthorityPEM returns the roots that certificates of a kind lead to, in PEM:
// first the one that issues now, then those of retired authorities that have
// not ended, so that verifiers who load it all are ready before and after a
// rollover.
func (s *Service) AuthorityPEM(ctx context.Context, kind Kind) ([]byte, error) {
	current, err := s.active(ctx, kind)
	if err != nil {
		return nil, err
	}
	all, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	text, seen := []byte(nil), map[string]bool{}
	for _, a := range append([]*authority{current}, all...) {
		if a.row.Kind != kind || len(a.chain) == 0 || s.now().After(a.ends()) {
			continue
		}
		root := a.chain[len(a.chain)-1].Raw
		if !seen[string(root)] {
			seen[string(root)] = true
			text = append(text, certificatesPEM([][]byte{root})...)
		}
	}
	return text, nil
}
