package registry_test

import (
	"errors"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// otpKeyTypes are the key type digits of id2 §4.4.
var otpKeyTypes = map[id2.Algorithm]byte{id2.AES128: '1', id2.AES192: '2', id2.AES256: '3', id2.TDES112: '4', id2.TDES168: '5', id2.SM4: '9'}

var (
	secretForm     = regexp.MustCompile(`^i1[0-9][A-Za-z0-9]{16}[0-9A-F]{13}$`)
	productKeyForm = regexp.MustCompile(`^a1[A-Za-z0-9]{9}$`)
)

func TestProductSecrets(t *testing.T) {
	f := newFixture(t)
	seen := make(map[string]bool)
	for _, a := range id2.Algorithms() {
		for _, otp := range []bool{false, true} {
			p, secret, err := f.CreateProduct(t.Context(), f.org, registry.ProductSpec{Name: "x", Algorithm: a, Quota: registry.Unlimited, OTP: otp}, by)
			if otp && !a.Symmetric() {
				var invalid *registry.InvalidError
				if !errors.As(err, &invalid) {
					t.Errorf("%v with one-time provisioning: %v", a, err)
				}
				continue
			}
			f.must(err)
			want, ok := otpKeyTypes[a]
			if !ok {
				want = '0'
			}
			if len(secret) != 32 || !secretForm.MatchString(secret) || secret[2] != want || !productKeyForm.MatchString(p.Key) || seen[p.Key] || seen[secret] {
				t.Errorf("%v: product %q, secret %q", a, p.Key, secret)
			}
			seen[p.Key], seen[secret] = true, true
			if !p.Hashes.Has(a.NativeHash()) || p.Hashes.Has(id2.MD5) || p.Hashes.Has(id2.SHA1) {
				t.Errorf("%v: hashes %v", a, p.Hashes)
			}
		}
	}
}

func TestProductRules(t *testing.T) {
	f := newFixture(t)
	good := registry.ProductSpec{Name: "pump", Algorithm: id2.RSA1024, Quota: registry.Unlimited}
	for name, change := range map[string]func(*registry.ProductSpec){
		"no name":                func(s *registry.ProductSpec) { s.Name = "" },
		"a name of spaces":       func(s *registry.ProductSpec) { s.Name = " \t" },
		"a long name":            func(s *registry.ProductSpec) { s.Name = strings.Repeat("n", 129) },
		"a name that is no text": func(s *registry.ProductSpec) { s.Name = "\xff" },
		"a name with a NUL":      func(s *registry.ProductSpec) { s.Name = "a\x00" },
		"a name of two lines":    func(s *registry.ProductSpec) { s.Name = "a\nb" },
		"no algorithm":           func(s *registry.ProductSpec) { s.Algorithm = 0 },
		"an unknown algorithm":   func(s *registry.ProductSpec) { s.Algorithm = 200 },
		"a negative quota":       func(s *registry.ProductSpec) { s.Quota = -2 },
		"a negative term":        func(s *registry.ProductSpec) { s.TermDays = -1 },
		"a term of 101 years":    func(s *registry.ProductSpec) { s.TermDays = 101 * 366 },
		"a negative limit":       func(s *registry.ProductSpec) { s.DailyLimit = -1 },
		"SM3 for RSA":            func(s *registry.ProductSpec) { s.Hashes = []id2.Hash{id2.SM3} },
		"an unknown hash":        func(s *registry.ProductSpec) { s.Hashes = []id2.Hash{9} },
		"OTP for RSA":            func(s *registry.ProductSpec) { s.OTP = true },
	} {
		s := good
		change(&s)
		var invalid *registry.InvalidError
		if _, _, err := f.CreateProduct(t.Context(), f.org, s, by); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := good
	s.Hashes = []id2.Hash{id2.MD5, id2.SHA1}
	p, _, err := f.CreateProduct(t.Context(), f.org, s, by)
	f.must(err)
	if p.Hashes.String() != "md5,sha1,sha256" {
		t.Errorf("hashes %v", p.Hashes)
	}
	if products, err := f.Products(t.Context(), f.org); err != nil || len(products) != 1 {
		t.Errorf("%d products, %v", len(products), err)
	}
}

func TestUpdateProduct(t *testing.T) {
	f := newFixture(t)
	p := f.product(id2.RSA1024, func(s *registry.ProductSpec) { s.Hashes, s.Quota, s.TermDays = []id2.Hash{id2.MD5}, 7, 30 })
	name, days, hashes := "valve", 60, []id2.Hash{id2.SHA1}
	got, err := f.UpdateProduct(t.Context(), f.org, p.Key, registry.ProductChange{Name: &name, TermDays: &days, Hashes: &hashes}, by)
	f.must(err)
	want := p
	want.Name, want.TermDays, want.Hashes = "valve", 60, id2.HashSet(0).With(id2.SHA1).With(id2.SHA256)
	if got != want {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	if stored, err := f.Product(t.Context(), f.org, p.Key); err != nil || stored != want {
		t.Errorf("stored %+v, %v", stored, err)
	}
	if live, err := f.LiveProduct(t.Context(), f.org, p.Key); err != nil || live.Product != want {
		t.Errorf("live %+v, %v", live, err)
	}
	for _, bad := range []registry.ProductChange{{Name: new(string)}, {Quota: ptr(int64(-2))}, {TermDays: ptr(-1)}, {Hashes: &[]id2.Hash{id2.SM3}}} {
		var invalid *registry.InvalidError
		if _, err := f.UpdateProduct(t.Context(), f.org, p.Key, bad, by); !errors.As(err, &invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	other, err := f.CreateOrg(t.Context(), "another", by)
	f.must(err)
	_, err1 := f.UpdateProduct(t.Context(), other.ID, p.Key, registry.ProductChange{Name: &name}, by)
	_, err2 := f.Product(t.Context(), other.ID, p.Key)
	_, err3 := f.LiveProduct(t.Context(), other.ID, p.Key)
	_, err4 := f.ServerPublicKey(t.Context(), other.ID, p.Key)
	for i, err := range []error{err1, err2, err3, err4} {
		if !errors.Is(err, registry.ErrNotFound) {
			t.Errorf("another organisation, %d: %v", i, err)
		}
	}
}

// Two operators change two settings at once: both changes hold.
func TestUpdatesOfOneProductAtOnce(t *testing.T) {
	f := newFixture(t)
	for range 10 {
		p := f.product(id2.AES128, nil)
		var wg sync.WaitGroup
		for _, change := range []registry.ProductChange{{Quota: ptr(int64(7))}, {TermDays: ptr(30)}, {DailyLimit: ptr(9)}} {
			wg.Go(func() {
				if _, err := f.UpdateProduct(t.Context(), f.org, p.Key, change, by); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, err := f.Product(t.Context(), f.org, p.Key)
		if err != nil || got.Quota != 7 || got.TermDays != 30 || got.DailyLimit != 9 {
			t.Fatalf("an update was lost: %+v, %v", got, err)
		}
	}
}

func ptr[T any](v T) *T { return &v }

func TestServerKeys(t *testing.T) {
	f := newFixture(t)
	for _, a := range []id2.Algorithm{id2.RSA1024, id2.SM2, id2.P256, id2.Secp256k1, id2.AES128} {
		p := f.product(a, func(s *registry.ProductSpec) { s.TwoWayAuth = true })
		der, err := f.ServerPublicKey(t.Context(), f.org, p.Key)
		f.must(err)
		live, err := f.LiveProduct(t.Context(), f.org, p.Key)
		f.must(err)
		if a.Symmetric() != (der == nil) || a.Symmetric() != (live.Server == nil) {
			t.Errorf("%v: public key of %d bytes, server key %v", a, len(der), live.Server != nil)
			continue
		}
		if a.Symmetric() {
			continue
		}
		public, err := id2.NewPublicKey(a, der)
		f.must(err)
		if !public.Equal(live.Server.Public()) {
			t.Errorf("%v: the exported key is not the one that signs", a)
		}
	}
}

func TestRemaining(t *testing.T) {
	for _, c := range []struct{ quota, used, want int64 }{{registry.Unlimited, 9, 1<<31 - 1}, {0, 0, 0}, {5, 2, 3}, {5, 7, 0}, {1 << 40, 0, 1<<31 - 1}} {
		p := registry.Product{Quota: c.quota, Used: c.used}
		if got := p.Remaining(); got != c.want {
			t.Errorf("%d of %d: %d remain", c.used, c.quota, got)
		}
	}
}

var clientForms = map[registry.Door][2]*regexp.Regexp{
	registry.DoorID2:  {regexp.MustCompile(`^LTAI[A-Za-z0-9]{20}$`), regexp.MustCompile(`^[A-Za-z0-9]{30}$`)},
	registry.DoorEnOS: {uuidForm, uuidForm},
	registry.DoorCISS: {regexp.MustCompile(`^[0-9a-f]{16}$`), regexp.MustCompile(`^[0-9a-f]{32}$`)},
}

var uuidForm = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestClientCredentials(t *testing.T) {
	f := newFixture(t)
	for door, forms := range clientForms {
		seen := make(map[string]bool)
		for range 20 {
			c, secret, err := f.CreateClient(t.Context(), f.org, registry.ClientSpec{Door: door}, by)
			f.must(err)
			if !forms[0].MatchString(c.ID) || !forms[1].MatchString(secret) || seen[c.ID] || seen[secret] {
				t.Errorf("%s: %q with %q", door, c.ID, secret)
			}
			seen[c.ID], seen[secret] = true, true
		}
	}
}

func TestClientRules(t *testing.T) {
	f := newFixture(t)
	for name, s := range map[string]registry.ClientSpec{
		"no door":             {},
		"unknown door":        {Door: "ID2"},
		"long name":           {Door: registry.DoorID2, Name: strings.Repeat("n", 129)},
		"a name of two lines": {Door: registry.DoorID2, Name: "a\nb"},
		"unknown scope":       {Door: registry.DoorID2, Scopes: []string{"Verify", "verify"}},
		"another door's":      {Door: registry.DoorEnOS, Scopes: []string{"Verify"}},
		"a scope of ciss":     {Door: registry.DoorCISS, Scopes: []string{"Read"}},
		"an address":          {Door: registry.DoorID2, Networks: []string{"10.0.0.1"}},
		"two in one":          {Door: registry.DoorID2, Networks: []string{"10.0.0.0/8 11.0.0.0/8"}},
		"a zone":              {Door: registry.DoorID2, Networks: []string{"fe80::%eth0/64"}},
	} {
		var invalid *registry.InvalidError
		if _, _, err := f.CreateClient(t.Context(), f.org, s, by); !errors.As(err, &invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAllowsFrom(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		networks, addr string
		want           bool
	}{
		{"", "192.0.2.1", true},
		{"192.0.2.0/24", "192.0.2.1", true},
		{"192.0.2.77/24", "192.0.2.1", true},
		{"192.0.2.0/24", "::ffff:192.0.2.1", true},
		{"::ffff:192.0.2.0/120", "192.0.2.1", true},
		{"192.0.2.0/24", "192.0.3.1", false},
		{"192.0.2.0/24", "2001:db8::1", false},
		{"2001:db8::/32 10.0.0.0/8", "2001:db8::1", true},
		{"fe80::/10", "fe80::1%eth0", true},
		{"::/0", "192.0.2.1", false},
	} {
		client, _, err := f.CreateClient(t.Context(), f.org, registry.ClientSpec{Door: registry.DoorID2, Networks: strings.Fields(c.networks)}, by)
		f.must(err)
		if got := client.AllowsFrom(netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("%q from %s: %v", c.networks, c.addr, got)
		}
		live, err := f.LiveClient(t.Context(), client.ID)
		f.must(err)
		if got := live.AllowsFrom(netip.MustParseAddr(c.addr)); got != c.want {
			t.Errorf("%q from %s, as stored: %v", c.networks, c.addr, got)
		}
		if len(c.networks) > 0 && live.AllowsFrom(netip.Addr{}) {
			t.Errorf("%q: an address that cannot be told is let in", c.networks)
		}
	}
}
