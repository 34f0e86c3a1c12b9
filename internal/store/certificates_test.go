package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

func testAuthority(id registry.ID, kind pki.Kind, state pki.State) pki.AuthorityRow {
	return pki.AuthorityRow{ID: id, Kind: kind, State: state, Subject: "CN=CA", Key: []byte("sealed"), Chain: []byte("chain"), Created: testTime}
}

const authorityID = registry.ID(20)

func testIssuance(serial pki.Serial, device int) pki.Issuance {
	return pki.Issuance{Certificate: pki.Certificate{Serial: serial, Org: 1, Device: testDevice(device).Asset, Authority: authorityID, Kind: pki.ECC,
		CN: fmt.Sprint("pump ", device), NotBefore: testTime, NotAfter: testTime + 1000, DER: []byte("certificate"), Created: testTime, CreatedBy: "test",
		Updated: testTime, UpdatedBy: "test"}, SubjectText: fmt.Sprintf("CN=pump %d,O=100%%_\\", device), KeyHash: fmt.Append(nil, "key ", device), By: audit.Actor{Name: "test"}, Event: event}
}

func testChange(serials ...pki.Serial) pki.Change {
	return pki.Change{Org: 1, Serials: serials, Reason: pki.KeyCompromise, At: testTime, By: audit.Actor{Name: "test"}}
}

// fillPKI adds an authority with a list, a valid certificate 100 and one on hold, 101.
func fillPKI(ctx context.Context, s *Store) error {
	hold := testChange("101")
	hold.Reason = pki.CertificateHold
	err := errors.Join(s.CreateAuthority(ctx, testAuthority(authorityID, pki.ECC, pki.Active), false, event),
		s.IssueCertificate(ctx, testIssuance("100", 1)), s.IssueCertificate(ctx, testIssuance("101", 2)))
	_, held := s.SetRevoked(ctx, hold)
	_, saved := s.SaveList(ctx, pki.List{Authority: authorityID, Number: 1, DER: []byte("list")}, 0, nil)
	return errors.Join(err, held, saved)
}

func setRevoked(ctx context.Context, s *Store, c pki.Change) error {
	changed, err := s.SetRevoked(ctx, c)
	for _, k := range changed {
		err = errors.Join(err, k.Err)
	}
	return err
}

// pkiWrites are the operations of pki.Store that change it.
var pkiWrites = map[string]func(context.Context, *Store) error{
	"CreateAuthority": func(ctx context.Context, s *Store) error {
		return s.CreateAuthority(ctx, testAuthority(21, pki.ECC, pki.Active), false, event)
	},
	"SetAuthority": func(ctx context.Context, s *Store) error {
		return s.SetAuthority(ctx, testAuthority(authorityID, pki.ECC, pki.Retired), pki.Active, event)
	},
	"IssueCertificate": func(ctx context.Context, s *Store) error { return s.IssueCertificate(ctx, testIssuance("102", 1)) },
	"SetRevoked":       func(ctx context.Context, s *Store) error { return setRevoked(ctx, s, testChange("101", "100")) },
	"SetRevoked release": func(ctx context.Context, s *Store) error {
		c := testChange("101")
		c.Release = true
		return setRevoked(ctx, s, c)
	},
	"SaveList": func(ctx context.Context, s *Store) error {
		marks, err := s.PendingLists(ctx)
		if err != nil || len(marks) == 0 {
			return fmt.Errorf("%d marks, %w", len(marks), err)
		}
		saved, err := s.SaveList(ctx, pki.List{Authority: authorityID, Number: 2, ThisUpdate: 1, NextUpdate: 2, Entries: 1, DER: []byte("newer")}, 1, marks)
		if err == nil && !saved {
			err = errors.New("not saved")
		}
		return err
	},
}

var pkiReads = map[string]func(context.Context, *Store) (any, error){
	"Authorities": func(ctx context.Context, s *Store) (any, error) { return s.Authorities(ctx) },
	"Certificate": func(ctx context.Context, s *Store) (any, error) { return s.Certificate(ctx, 1, "100") },
	"DeviceCertificates": func(ctx context.Context, s *Store) (any, error) {
		return s.DeviceCertificates(ctx, 1, testDevice(1).Asset)
	},
	"Certificates": func(ctx context.Context, s *Store) (any, error) {
		return s.Certificates(ctx, 1, pki.Filter{Limit: 9}, testTime)
	},
	"Lists":        func(ctx context.Context, s *Store) (any, error) { return s.Lists(ctx) },
	"ListDER":      func(ctx context.Context, s *Store) (any, error) { return s.ListDER(ctx, authorityID, 1) },
	"PendingLists": func(ctx context.Context, s *Store) (any, error) { return s.PendingLists(ctx) },
}

func init() {
	maps.Copy(writes, pkiWrites)
	maps.Copy(reads, pkiReads)
}

func TestWritesCoverThePKI(t *testing.T) {
	iface := reflect.TypeFor[pki.Store]()
	for i := range iface.NumMethod() {
		// RevokedCertificates streams: who asks begins anew.
		if name := iface.Method(i).Name; writes[name] == nil && reads[name] == nil && name != "RevokedCertificates" {
			t.Errorf("%s is neither in the table of writes nor in that of reads", name)
		}
	}
}

func TestFindCertificates(t *testing.T) {
	onEachFilled(t, func(t *testing.T, s *Store) {
		expired := testIssuance("99", 2)
		expired.CN, expired.SubjectText, expired.NotAfter = "Valve", "CN=Valve,OU=Ponds", testTime-1
		expired.KeyHash = []byte("other")
		if err := s.IssueCertificate(t.Context(), expired); err != nil {
			t.Fatal(err)
		}
		status := func(s pki.Status) *pki.Status { return &s }
		for name, c := range map[string]struct {
			f    pki.Filter
			org  registry.ID
			want string
		}{
			"all":                  {pki.Filter{}, 1, "99 100 101"},
			"another organisation": {pki.Filter{}, 2, ""},
			"device":               {pki.Filter{Device: testDevice(2).Asset}, 1, "99 101"},
			"valid":                {pki.Filter{Status: status(pki.Valid)}, 1, "100"},
			"revoked":              {pki.Filter{Status: status(pki.Revoked)}, 1, "101"},
			"expired":              {pki.Filter{Status: status(pki.Expired)}, 1, "99"},
			"kind":                 {pki.Filter{Kind: pki.RSA}, 1, ""},
			"beginning of the CN":  {pki.Filter{CN: "pump"}, 1, "100 101"},
			"CN, other letters":    {pki.Filter{CN: "PUMP"}, 1, ""},
			"part of the subject":  {pki.Filter{Subject: "ou=POND"}, 1, "99"},
			"signs of LIKE":        {pki.Filter{Subject: `100%_\`}, 1, "100 101"},
			"no such part":         {pki.Filter{Subject: "1_0"}, 1, ""},
			"ends soon":            {pki.Filter{ExpiresBefore: testTime + 1}, 1, "99"},
			"first page":           {pki.Filter{Limit: 2}, 1, "99 100"},
			"second page":          {pki.Filter{After: pki.Cursor{NotAfter: testTime + 1000, Serial: "100"}}, 1, "101"},
		} {
			if c.f.Limit == 0 {
				c.f.Limit = 10
			}
			all, err := s.Certificates(t.Context(), c.org, c.f, testTime)
			var got []string
			for _, k := range all {
				got = append(got, string(k.Serial))
			}
			if strings.Join(got, " ") != c.want || err != nil {
				t.Errorf("%s: %v, want %s, %v", name, got, c.want, err)
			}
		}
	})
}

// A device's certificates and pages of all of them are found by an index: of ten
// million none but those asked for are looked at.
func TestPlansOfCertificates(t *testing.T) {
	s := open(t, engines["sqlite"](t))
	page := func(f pki.Filter) (string, []any) {
		q := certificatesQuery(1, f, testTime)
		return q.text() + " ORDER BY not_after, serial LIMIT 10", q.args
	}
	type text struct {
		query string
		args  []any
		index string
		sorts bool
	}
	plans := map[string]text{
		"a device's":  {deviceCertificates, []any{1, 1}, "certificates_device", true},
		"the revoked": {revokedCertificates, []any{1, 1}, "certificates_revoked", false},
	}
	for name, c := range map[string]struct {
		f     pki.Filter
		index string
		sorts bool
	}{
		"page of all":             {pki.Filter{}, "certificates_expiry", false},
		"next page":               {pki.Filter{After: pki.Cursor{NotAfter: 5, Serial: "1"}}, "certificates_expiry", false},
		"page that ends soon":     {pki.Filter{ExpiresBefore: 5}, "certificates_expiry", false},
		"page of a device":        {pki.Filter{Device: 5}, "certificates_device", true},
		"page of a name":          {pki.Filter{CN: "pump"}, "certificates_cn", true},
		"page of the valid":       {pki.Filter{Status: new(pki.Status)}, "certificates_expiry", false},
		"page of part of subject": {pki.Filter{Subject: "x"}, "certificates_expiry", false},
	} {
		query, args := page(c.f)
		plans[name] = text{query, args, c.index, c.sorts}
	}
	for name, c := range plans {
		rows, err := s.read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+c.query, c.args...)
		steps, err := collect(rows, err, func(row scanner) (detail string, err error) {
			var id, parent, unused int
			return detail, row.Scan(&id, &parent, &unused, &detail)
		})
		plan := strings.Join(steps, "; ")
		if err != nil || !strings.Contains(plan, c.index) || strings.Contains(plan, "TEMP B-TREE") && !c.sorts {
			t.Errorf("%s: %s, %v; want %s", name, plan, err, c.index)
		}
	}
}

// A device that is deleted leaves no certificate behind that counts.
func TestDeletedDevicesCertificates(t *testing.T) {
	onEachFilled(t, func(t *testing.T, s *Store) {
		for n, want := range map[int]pki.Serial{1: "100", 2: "101"} {
			if err := s.DeleteDevice(t.Context(), 1, testDevice(n).Asset, event); err != nil {
				t.Fatal(err)
			}
			c, err := s.Certificate(t.Context(), 1, want)
			if err != nil || c.Reason != pki.CessationOfOperation || c.Revoked == 0 || c.Revoker != event.Actor {
				t.Errorf("%s: %s, %v", want, c.Reason, err)
			}
		}
		marks, err := s.PendingLists(t.Context())
		if err != nil || len(marks) < 2 {
			t.Errorf("%d marks, %v", len(marks), err)
		}
	})
}

// Of two nodes that made a list at once one is too late.
func TestSaveListIsACompareAndSet(t *testing.T) {
	onEachFilled(t, func(t *testing.T, s *Store) {
		list := pki.List{Authority: authorityID, Number: 7, DER: []byte("a")}
		for _, c := range []struct {
			replaces int64
			want     bool
		}{{0, false}, {2, false}, {1, true}, {1, false}} {
			if saved, err := s.SaveList(t.Context(), list, c.replaces, nil); saved != c.want || err != nil {
				t.Errorf("in place of %d: %v, %v", c.replaces, saved, err)
			}
		}
		lists, err := s.Lists(t.Context())
		want := []pki.List{{Authority: authorityID, Number: 7}}
		if diff := cmp.Diff(want, lists); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}
