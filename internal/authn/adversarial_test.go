package authn

import (
	"context"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/registry"
	"github.com/hallmark-id/hallmark/internal/replay"
)

// A request from before midnight that is counted after one from after it does
// not begin the day anew.
func TestDailyLimitAcrossMidnight(t *testing.T) {
	d := newDailyCounter()
	product := &registry.LiveProduct{Product: registry.Product{DailyLimit: 1}}
	take := func(at int64) error {
		_, err := d.take(&verification{at: registry.Instant(at), product: product, device: registry.LiveDevice{Asset: 1}})
		return err
	}
	today := int64(20_000) * dayMillis
	if err := take(today); err != nil {
		t.Fatal(err)
	}
	_ = take(today - 1)
	if err := take(today); err == nil {
		t.Error("the limit of one a day was passed")
	}
}

// cancelling is a guard whose caller hangs up the moment the code is spent.
type cancelling struct {
	Guard
	cancel func()
}

func (c cancelling) Spend(ctx context.Context, code replay.Code) error {
	err := c.Guard.Spend(ctx, code)
	c.cancel()
	return err
}

// Nothing after the spend may fail but licence or store: not a caller who has gone.
func TestCallerGoneAfterTheSpend(t *testing.T) {
	f := newFixture(t)
	d := f.device(f.product(id2.AES128, nil))
	ctx, cancel := context.WithCancel(t.Context())
	f.Service.guard = cancelling{f.Service.guard, cancel}
	_, err := f.Verify(ctx, d.request(d.timeCode()))
	if got := d.get(); err != nil || got.State != registry.Active {
		t.Errorf("the code is spent, the device is %v, and the answer %v", got.State, err)
	}
}
