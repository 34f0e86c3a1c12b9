package operator

import (
	"encoding/json"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// AuditEvent is one line of the audit record. Seq is its number in the chain,
// 0 while it waits to be chained.
type AuditEvent struct {
	At        string          `json:"at"`
	OrgID     string          `json:"org_id"` // "" for what belongs to no organisation
	Actor     string          `json:"actor"`
	RequestID string          `json:"request_id"`
	Action    string          `json:"action"`
	Kind      string          `json:"kind"`
	Subject   string          `json:"subject"`
	Detail    json.RawMessage `json:"detail"`
	Seq       int64           `json:"seq"`
}

// AuditList is one page of the record, the newest event first. NextBefore,
// when it is not "", is the before parameter of the page that follows.
type AuditList struct {
	Events     []AuditEvent `json:"events"`
	NextBefore string       `json:"next_before"`
}

// AuditCheck is the outcome of walking the chain: how many events follow from
// each other, and the number of the first that does not, 0 for none.
type AuditCheck struct {
	Intact   bool  `json:"intact"`
	Events   int64 `json:"events"`
	BrokenAt int64 `json:"broken_at"`
}

func viewEvent(e audit.Sealed) AuditEvent {
	v := AuditEvent{At: registry.Instant(e.At).String(), Actor: e.Actor, RequestID: e.Request, Action: e.Action,
		Kind: e.Kind, Subject: e.Subject, Detail: json.RawMessage(e.Detail), Seq: e.Seq}
	if e.Org != 0 {
		v.OrgID = registry.ID(e.Org).String()
	}
	return v
}

// listAudit shows every organisation's events unless one is named: the record
// belongs to whoever runs the server.
func listAudit(c *call) (any, error) {
	f := registry.AuditFilter{Subject: c.query.get("subject"), Action: c.query.get("action")}
	var err error
	if c.query.get("org") != "" {
		if f.Org, err = c.org(); err != nil {
			return nil, err
		}
	}
	limit, err := c.query.limit()
	if err != nil {
		return nil, err
	}
	f.Limit = min(limit+1, registry.MaxPage) // one more, to see whether there is more
	if f.Before, err = c.query.instant("before"); err != nil {
		return nil, err
	}
	events, err := c.Registry.AuditEvents(c.r.Context(), f)
	next := registry.Instant(0)
	if len(events) == f.Limit {
		events, next = cutPage(events, limit)
	}
	return AuditList{Events: views(events, viewEvent), NextBefore: next.String()}, err
}

// cutPage ends a page where the clock moves: the next page begins before an
// instant, and events that share one must not fall between two pages. Where a
// whole page is one instant, those past the limit are passed over.
func cutPage(events []audit.Sealed, limit int) ([]audit.Sealed, registry.Instant) {
	last := events[len(events)-1].At
	n := len(events)
	for n > 0 && events[n-1].At == last {
		n--
	}
	if n == 0 {
		return events[:min(limit, len(events))], registry.Instant(last)
	}
	return events[:n], registry.Instant(last + 1)
}

func verifyAudit(c *call) (any, error) {
	c.liftDeadlines() // a long record takes longer than an ordinary request may
	count, broken, err := c.Registry.VerifyAudit(c.r.Context())
	return AuditCheck{Intact: broken == 0, Events: count, BrokenAt: broken}, err
}
