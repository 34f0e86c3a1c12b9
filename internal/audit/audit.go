// Package audit describes what Hallmark writes down of itself: who changed
// what, and which refusals were worth knowing. Events are plain rows, written
// in the transaction of the change they tell of; a sealer chains them
// afterwards, so that a later change or removal shows.
package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
)

// Actor is who did something, and in which request.
type Actor struct {
	// Name is "operator", "device", "server", or with its door the access key id of
	// a client or the address of a device: "id2:LTAI…", "itls:192.0.2.1".
	Name string
	// Request is the request id, "" outside a request.
	Request string
}

// Event is one line of the record.
type Event struct {
	At      int64 // milliseconds since 1970, set by the store when zero
	Org     int64 // 0 for what belongs to no organisation
	Actor   string
	Request string
	Action  string // "device.activate", "device.refused", …
	Kind    string // what Subject names: "device", "product", "client", …
	Subject string
	Detail  string // a JSON object, never a secret
}

// Did returns the event of an action by this actor.
func (a Actor) Did(action, kind, subject string, detail map[string]any) Event {
	e := Event{Actor: a.Name, Request: a.Request, Action: action, Kind: kind, Subject: subject, Detail: "{}"}
	if len(detail) > 0 {
		text, err := json.Marshal(detail)
		if err != nil {
			text = fmt.Appendf(nil, `{"unprintable":%q}`, err)
		}
		e.Detail = string(text)
	}
	return e
}

// In returns the event with its organisation.
func (e Event) In(org int64) Event { e.Org = org; return e }

// Sealed is an event with its place in the chain.
type Sealed struct {
	Event
	ID  int64
	Seq int64 // 0 while not yet chained
	MAC []byte
}

// Chain links events: each MAC covers the one before. The key comes from the
// keyring, so that a hand in the database alone cannot make a chain anew.
type Chain struct {
	key  [32]byte
	Seq  int64
	Last []byte
}

// NewChain continues a chain after the event with this number and MAC; 0 and
// nil begin one.
func NewChain(key [32]byte, seq int64, last []byte) *Chain {
	return &Chain{key: key, Seq: seq, Last: last}
}

// Next numbers the event and returns its MAC.
func (c *Chain) Next(e Event) (seq int64, mac []byte) {
	c.Seq++
	h := hmac.New(sha256.New, c.key[:])
	h.Write(c.Last)
	for _, n := range []int64{c.Seq, e.At, e.Org} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	}
	for _, s := range []string{e.Actor, e.Request, e.Action, e.Kind, e.Subject, e.Detail} {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(s))))
		h.Write([]byte(s))
	}
	c.Last = h.Sum(nil)
	return c.Seq, c.Last
}

// Follows reports whether s is the next link of the chain, and steps onto it.
func (c *Chain) Follows(s Sealed) bool {
	seq, mac := c.Next(s.Event)
	return seq == s.Seq && hmac.Equal(mac, s.MAC)
}
