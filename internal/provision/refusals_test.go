package provision

import (
	"errors"
	"fmt"
	"testing"

	"github.com/hallmark-id/hallmark/id2"
	"github.com/hallmark-id/hallmark/internal/authn"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// What the store refuses has a code of the wire; a failure has none, and stays
// what it is.
func TestStoreErrors(t *testing.T) {
	for cause, want := range map[error]id2.Code{
		registry.ErrSpent: id2.CodeAuthCode, registry.ErrQuota: id2.CodeQuota,
		registry.ErrBusy: id2.CodeBusy, registry.ErrUnknown: id2.CodeBusy,
	} {
		var r *authn.Refusal
		if err := storeError(fmt.Errorf("provision: %w", cause)); !errors.As(err, &r) || r.Code != want {
			t.Errorf("%v: %v, want code %d", cause, err, want)
		}
	}
	if err := storeError(registry.ErrDiskFull); !errors.Is(err, registry.ErrDiskFull) {
		t.Errorf("a full disk became %v", err)
	}
	if err := storeError(nil); err != nil {
		t.Errorf("success became %v", err)
	}
}
