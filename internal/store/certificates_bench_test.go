package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// BenchmarkDeviceCertificates lists the ten certificates of a device in a store
// of few and of many: HALLMARK_BENCH_CERTIFICATES says how many, ten million of
// them take some minutes and 12 GB.
func BenchmarkDeviceCertificates(b *testing.B) {
	sizes := []int{1_000, 100_000}
	if n, err := strconv.Atoi(os.Getenv("HALLMARK_BENCH_CERTIFICATES")); err == nil {
		sizes = append(sizes, n)
	}
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			ctx := context.Background()
			s, err := Open(ctx, Options{DSN: "sqlite:" + filepath.Join(b.TempDir(), "bench.db"), Now: time.Now, Random: rand.Reader})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			fillCertificates(b, s, size)
			n := 0
			for b.Loop() {
				n += 7919 // another device each time
				got, err := s.DeviceCertificates(ctx, 1, registry.ID(1+n%(size/10)))
				if err != nil || len(got) != 10 {
					b.Fatal(len(got), err)
				}
			}
		})
	}
}

// fillCertificates gives each of size/10 devices ten certificates, of as many
// bytes as a real one has.
func fillCertificates(b *testing.B, s *Store, size int) {
	b.Helper()
	const chunk = 100_000
	for from := 0; from < size; from += chunk {
		err := s.write(context.Background(), func(tx txn) error {
			_, err := tx.Exec(`WITH RECURSIVE c(n) AS (SELECT $1 UNION ALL SELECT n + 1 FROM c WHERE n + 1 < $2)
				INSERT INTO certificates (serial, org, device, authority, kind, cn, subject, key_hash, not_before, not_after, der, created, created_by, updated, updated_by)
				SELECT CAST(1000000000 + n AS TEXT), 1, 1 + n / 10, 1, 2, printf('pump %010d', n / 10), printf('CN=pump %010d, O=Example', n / 10),
				CAST(printf('%032d', n / 10) AS BLOB), n, n + 1000000000, randomblob(700), n, 'bench', n, 'bench' FROM c`, from, min(from+chunk, size))
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
