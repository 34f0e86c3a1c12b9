package audit_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hallmark-id/hallmark/internal/audit"
)

var chainKey = [32]byte{1, 2, 3}

// seal chains events from the beginning.
func seal(events []audit.Event) []audit.Sealed {
	chain := audit.NewChain(chainKey, 0, nil)
	out := make([]audit.Sealed, len(events))
	for i, e := range events {
		out[i].Event = e
		out[i].Seq, out[i].MAC = chain.Next(e)
	}
	return out
}

// intact walks a chain and returns how many links follow.
func intact(key [32]byte, links []audit.Sealed) int {
	chain := audit.NewChain(key, 0, nil)
	for i, l := range links {
		if !chain.Follows(l) {
			return i
		}
	}
	return len(links)
}

var someEvent = rapid.Custom(func(t *rapid.T) audit.Event {
	text := rapid.SampledFrom([]string{"", "a", "ab", "b", "device", "\x00", "{}"})
	return audit.Event{At: rapid.Int64().Draw(t, "at"), Org: rapid.Int64Range(0, 2).Draw(t, "org"), Actor: text.Draw(t, "actor"),
		Request: text.Draw(t, "request"), Action: text.Draw(t, "action"), Kind: text.Draw(t, "kind"), Subject: text.Draw(t, "subject"), Detail: text.Draw(t, "detail")}
})

// Any change to a chain shows at the place where it was made, whatever the
// change: a field, text moved from one field to the next, a link taken out,
// put in, doubled or moved.
func TestChainShowsEveryChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		links := seal(rapid.SliceOfN(someEvent, 2, 8).Draw(t, "events"))
		if n := intact(chainKey, links); n != len(links) {
			t.Fatalf("an honest chain of %d breaks at %d", len(links), n)
		}
		i := rapid.IntRange(0, len(links)-2).Draw(t, "where")
		changed := slices.Clone(links)
		what := rapid.SampledFrom([]string{"event", "sequence", "mac", "remove", "double", "swap", "key"}).Draw(t, "what")
		key := chainKey
		switch what {
		case "event":
			e := someEvent.Draw(t, "event")
			if e == links[i].Event {
				e.At++
			}
			changed[i].Event = e
		case "sequence":
			changed[i].Seq++
		case "mac":
			changed[i].MAC = slices.Clone(links[i].MAC)
			changed[i].MAC[rapid.IntRange(0, 31).Draw(t, "byte")] ^= 1
		case "remove":
			changed = slices.Delete(changed, i, i+1)
		case "double":
			changed = slices.Insert(changed, i+1, changed[i])
			i++
		case "swap":
			changed[i], changed[i+1] = changed[i+1], changed[i]
		case "key":
			key[31] ^= 1
			i = 0
		}
		if n := intact(key, changed); n != i {
			t.Fatalf("%s at %d of %d: the chain breaks at %d", what, i, len(links), n)
		}
	})
}

// Text cannot be moved over the border of two fields.
func TestChainFieldsAreApart(t *testing.T) {
	a := audit.Event{Actor: "ab", Request: "c", Subject: "x", Detail: "y"}
	seen := map[string]bool{}
	for _, e := range []audit.Event{a, {Actor: "a", Request: "bc", Subject: "x", Detail: "y"}, {Actor: "abc", Subject: "x", Detail: "y"},
		{Actor: "ab", Request: "c", Subject: "xy"}, {Actor: "ab", Request: "c", Detail: "xy"}, {Actor: "ab", Request: "c", Kind: "x", Detail: "y"}} {
		mac := fmt.Sprintf("%x", seal([]audit.Event{e})[0].MAC)
		if seen[mac] {
			t.Errorf("%+v has the MAC of another event", e)
		}
		seen[mac] = true
	}
}

// A chain can be continued from what is stored of its last link.
func TestChainContinues(t *testing.T) {
	events := []audit.Event{{Actor: "a"}, {Actor: "b"}, {Actor: "c"}}
	whole := seal(events)
	half := audit.NewChain(chainKey, whole[1].Seq, whole[1].MAC)
	seq, mac := half.Next(events[2])
	if seq != 3 || string(mac) != string(whole[2].MAC) {
		t.Errorf("continued with %d %x, want %d %x", seq, mac, whole[2].Seq, whole[2].MAC)
	}
	if half.Seq != 3 || string(half.Last) != string(mac) {
		t.Error("the chain does not stand at its last link")
	}
}

func TestDid(t *testing.T) {
	e := audit.Actor{Name: "operator", Request: "R1"}.Did("device.suspend", "device", "d1", map[string]any{"id2": "A\"<&>B", "state": 2}).In(7)
	want := audit.Event{Org: 7, Actor: "operator", Request: "R1", Action: "device.suspend", Kind: "device", Subject: "d1"}
	var detail map[string]any
	if err := json.Unmarshal([]byte(e.Detail), &detail); err != nil || detail["id2"] != "A\"<&>B" || detail["state"] != 2.0 {
		t.Errorf("detail %s, %v", e.Detail, err)
	}
	e.Detail = ""
	if e != want {
		t.Errorf("got %+v, want %+v", e, want)
	}
	for _, empty := range []map[string]any{nil, {}} {
		if e := (audit.Actor{}).Did("a", "k", "s", empty); e.Detail != "{}" {
			t.Errorf("no detail is %q", e.Detail)
		}
	}
	// What cannot be written down is said, in JSON, and does not stop the change.
	e = audit.Actor{}.Did("a", "k", "s", map[string]any{"f": func() {}})
	if !json.Valid([]byte(e.Detail)) {
		t.Errorf("detail %s is no JSON", e.Detail)
	}
}
