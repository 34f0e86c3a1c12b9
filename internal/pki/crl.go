package pki

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// How often Run looks whether a list is out of date, and the least time between
// two lists that were made because of revocations.
const (
	lookEvery = 250 * time.Millisecond
	listEvery = time.Second
	// keepExpired is how long an expired certificate stays in the list, so that it
	// is in at least one that was made after its end (RFC 5280 §3.3).
	keepExpired = 24 * time.Hour
	// clockSkew is how far the clocks of two nodes may differ.
	clockSkew = time.Minute
)

// listCache holds the newest list of each authority.
type listCache struct {
	mu  sync.RWMutex
	all map[registry.ID]List
}

func (c *listCache) get(id registry.ID) (List, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	l, ok := c.all[id]
	return l, ok
}

func (c *listCache) put(l List) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = make(map[registry.ID]List)
	}
	if l.Number > c.all[l.Authority].Number {
		c.all[l.Authority] = l
	}
}

// wake tells Run that lists may be out of date.
func (s *Service) wake() {
	select {
	case s.revoked <- struct{}{}:
	default: // it has been told
	}
}

// Run keeps the revocation lists until ctx ends: new after a revocation, at
// most once a second, before they end, and as other nodes make them.
func (s *Service) Run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		began := time.Now()
		made, err := s.update(ctx)
		if err != nil && ctx.Err() == nil {
			s.Log.Error("revocation lists could not be kept up to date", "error", err)
		}
		// A list that takes long takes no more than every other moment.
		if took := time.Since(began); made && !sleep(ctx, max(listEvery-took, took)) {
			return
		}
		select {
		case <-s.revoked:
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// sleep waits; false says that ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// UpdateLists makes the lists that are out of date and reads those that other
// nodes made. Run does so all the time.
func (s *Service) UpdateLists(ctx context.Context) error {
	_, err := s.update(ctx)
	return err
}

// update reports whether a list was made.
func (s *Service) update(ctx context.Context) (made bool, err error) {
	s.crlMu.Lock()
	defer s.crlMu.Unlock()
	all, err := s.open(ctx)
	if err != nil {
		return false, err
	}
	// Marks come before what they stand for: one that is read here is of a change
	// that every later read sees.
	marks, err := s.Store.PendingLists(ctx)
	if err != nil {
		return false, err
	}
	lists, err := s.Store.Lists(ctx)
	if err != nil {
		return false, err
	}
	for _, a := range all {
		fresh, e := s.updateList(ctx, a, listOf(lists, a.row.ID), marks)
		made, err = made || fresh, errors.Join(err, e)
	}
	return made, err
}

func listOf(lists []List, id registry.ID) List {
	for _, l := range lists {
		if l.Authority == id {
			return l
		}
	}
	return List{Authority: id}
}

func (s *Service) updateList(ctx context.Context, a *authority, stored List, marks []Mark) (made bool, err error) {
	if a.cert == nil || s.now().After(a.cert.NotAfter) {
		return false, nil // it has no certificate yet, or none that anybody trusts
	}
	var own []Mark
	for _, m := range marks {
		if m.Authority == a.row.ID {
			own = append(own, m)
		}
	}
	due := stored.ThisUpdate.Time().Add(s.CRLLifetime / 3)
	early := s.now().Before(stored.ThisUpdate.Time().Add(-clockSkew)) // the clock was set back: nobody takes the list yet
	if len(own) == 0 && stored.Number > 0 && s.now().Before(due) && !early {
		return false, s.readList(ctx, stored)
	}
	// The seconds since 1970 keep numbers rising after a restore of a backup, too.
	list, err := s.makeList(ctx, a, max(stored.Number+1, s.now().Unix()))
	if err != nil {
		return false, fmt.Errorf("list of authority %s: %w", a.row.ID, err)
	}
	saved, err := s.Store.SaveList(ctx, list, stored.Number, own)
	if err == nil && saved {
		s.lists.put(list)
	}
	return saved, err
}

// readList takes over a list that another node made.
func (s *Service) readList(ctx context.Context, stored List) error {
	if have, ok := s.lists.get(stored.Authority); ok && have.Number >= stored.Number {
		return nil
	}
	der, err := s.Store.ListDER(ctx, stored.Authority, stored.Number)
	if errors.Is(err, registry.ErrNotFound) { // a newer one took its place
		return nil
	}
	if err != nil {
		return err
	}
	stored.DER = der
	s.lists.put(stored)
	return nil
}

// CRL returns the revocation list of an authority, in DER. It is what Run made
// last, and ErrNotFound before that and for an unknown authority.
func (s *Service) CRL(ctx context.Context, authority registry.ID) (List, error) {
	if l, ok := s.lists.get(authority); ok {
		return l, nil
	}
	if _, err := s.find(ctx, authority); err != nil {
		return List{}, err
	}
	if err := s.UpdateLists(ctx); err != nil {
		return List{}, err
	}
	l, ok := s.lists.get(authority)
	if !ok {
		return l, fmt.Errorf("revocation list of %s: %w", authority, ErrNotFound)
	}
	return l, nil
}

// makeList makes the list of what is revoked now (RFC 5280 §5).
func (s *Service) makeList(ctx context.Context, a *authority, number int64) (List, error) {
	begin := s.now()
	end := begin.Add(s.CRLLifetime)
	list := List{Authority: a.row.ID, Number: number, ThisUpdate: registry.At(begin), NextUpdate: registry.At(end)}
	var entries cryptobyte.Builder
	err := s.Store.RevokedCertificates(ctx, a.row.ID, registry.At(begin.Add(-keepExpired)), func(e Entry) error {
		list.Entries++
		addEntry(&entries, e)
		return nil
	})
	if err != nil {
		return list, err
	}
	revoked, err := entries.Bytes()
	if err != nil {
		return list, err
	}
	tbs, err := a.tbsList(&list, revoked)
	if err != nil {
		return list, err
	}
	list.DER, err = sign(s.Random, a.signer, tbs)
	return list, err
}

func addEntry(b *cryptobyte.Builder, e Entry) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(e.Serial.Int())
		addTime(b, e.Revoked.Time().Truncate(time.Second))
		if e.Reason == Unspecified {
			return // RFC 5280 §5.3.1: it should be absent
		}
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addExtension(b, oidCRLReason, false, func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(e.Reason)) })
		})
	})
}

// tbsList returns the TBSCertList (RFC 5280 §5.1.2).
func (a *authority) tbsList(l *List, entries []byte) ([]byte, error) {
	b := cryptobyte.NewBuilder(make([]byte, 0, len(entries)+1024))
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1) // v2
		a.scheme.addTo(b)
		b.AddBytes(a.cert.RawSubject)
		addTime(b, l.ThisUpdate.Time())
		addTime(b, l.NextUpdate.Time())
		if len(entries) > 0 {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(entries) })
		}
		b.AddASN1(cbasn1.Tag(0).ContextSpecific().Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				addAuthorityKeyID(b, a.cert.SubjectKeyId)
				addExtension(b, oidCRLNumber, false, func(b *cryptobyte.Builder) { b.AddASN1BigInt(big.NewInt(l.Number)) })
			})
		})
	})
	return b.Bytes()
}
