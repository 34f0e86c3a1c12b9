package store

import (
	"context"
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A page of devices is read from an index in its order: a plan that sorts would
// read all devices for each page, and an export would take the square of that.
func TestPagesOfDevicesAreNotSorted(t *testing.T) {
	ctx := context.Background()
	s, err := Open(ctx, Options{DSN: "sqlite:" + filepath.Join(t.TempDir(), "plan.db"), Now: time.Now, Random: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, condition := range []string{"", " AND product_key = 'p'", " AND state = 2"} {
		rows, err := s.read.QueryContext(ctx, "EXPLAIN QUERY PLAN "+deviceColumns+
			" FROM devices WHERE org = 1 AND asset > 2"+condition+" ORDER BY asset LIMIT 1000")
		steps, err := collect(rows, err, func(row scanner) (detail string, err error) {
			var id, parent, unused int
			err = row.Scan(&id, &parent, &unused, &detail)
			return detail, err
		})
		if err != nil {
			t.Fatal(err)
		}
		if plan := strings.Join(steps, "; "); !strings.Contains(plan, "INDEX") || strings.Contains(plan, "TEMP B-TREE") {
			t.Errorf("devices of an organisation%s: %s", condition, plan)
		}
	}
}
