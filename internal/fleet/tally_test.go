package fleet

import (
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hallmark-id/hallmark/id2"
)

func TestTally(t *testing.T) {
	var c tally
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				c.answered(id2.CodeOK, 20*time.Microsecond)
				c.answered(id2.CodeQuota, 10*time.Microsecond)
				c.answered(id2.CodeAuthCode, 30*time.Microsecond)
				c.lost(&url.Error{Op: "Get", URL: "http://h/?Signature=x", Err: errors.New("refused")})
			}
		})
	}
	wg.Wait()
	want := Figures{Succeeded: 40, Refused: []Refusal{{id2.CodeQuota, id2.CodeQuota.Message(), 40}, {id2.CodeAuthCode, id2.CodeAuthCode.Message(), 40}},
		Failed: 40, LastFailure: "refused", Seconds: 2, Rate: 60, P50: 20, P99: 30, P999: 30, Max: 30}
	if diff := cmp.Diff(want, c.figures(2*time.Second)); diff != "" {
		t.Error(diff)
	}
}
