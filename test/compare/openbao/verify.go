package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/hallmark-id/hallmark/internal/bench"
)

// messages is how many take turns, as devices do.
const messages = 1000

// verifications has messages signed, and describes for hallmark bench how to ask
// whether the signatures are right: one message a request, as devices come.
func (b *bao) verifications(ctx context.Context) (bench.Other, error) {
	type one struct {
		Input string `json:"input"`
		HMAC  string `json:"hmac,omitempty"`
	}
	var batch struct {
		Input []one `json:"batch_input"`
	}
	for i := range messages { // as long as what an ID² device signs
		batch.Input = append(batch.Input, one{Input: base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%024X%016X%016X", i, i, i))})
	}
	var answer struct {
		Data struct {
			Results []one `json:"batch_results"`
		} `json:"data"`
	}
	if err := b.call(ctx, "POST", "transit/hmac/bench", batch, &answer); err != nil {
		return bench.Other{}, err
	}
	if len(answer.Data.Results) != messages {
		return bench.Other{}, fmt.Errorf("transit/hmac answered %d of %d", len(answer.Data.Results), messages)
	}
	other := bench.Other{Name: "OpenBao transit, verify HMAC", URL: b.url, PID: b.cmd.Process.Pid, Success: `"valid":true`}
	for i, signed := range answer.Data.Results {
		body, err := json.Marshal(one{Input: batch.Input[i].Input, HMAC: signed.HMAC})
		if err != nil {
			return other, err
		}
		other.Requests = append(other.Requests, bench.OtherRequest{Method: "POST", Path: "/v1/transit/verify/bench", Body: string(body),
			Header: map[string]string{"X-Vault-Token": b.verifier, "Content-Type": "application/json"}})
	}
	return other, nil
}
