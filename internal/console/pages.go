package console

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/hallmark-id/hallmark/internal/account"
	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

// overviewView is the console's front page.
type overviewView struct {
	Products, Clients int
	Used              int64
	Logins            int
	Nodes             []registry.Node
	Orgs              []orgCount
}

// orgCount is what an organisation has.
type orgCount struct {
	registry.Org
	Products, Clients int
	Used              int64
}

func (v *visit) overview() error {
	ctx := v.r.Context()
	orgs, err := v.Registry.Orgs(ctx)
	if err != nil {
		return err
	}
	var view overviewView
	for _, o := range orgs {
		count := orgCount{Org: o}
		products, err := v.Registry.Products(ctx, o.ID)
		if err != nil {
			return err
		}
		clients, err := v.Registry.Clients(ctx, o.ID)
		if err != nil {
			return err
		}
		for _, p := range products {
			count.Used += p.Used
		}
		count.Products, count.Clients = len(products), len(clients)
		view.Products, view.Clients, view.Used = view.Products+len(products), view.Clients+len(clients), view.Used+count.Used
		view.Orgs = append(view.Orgs, count)
	}
	if view.Nodes, err = v.Registry.Nodes(ctx); err != nil {
		return err
	}
	logins, err := v.Accounts.Logins(ctx, 0)
	view.Logins = len(logins)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "overview", "nav.overview", view)
}

// chooseOrg returns the organisation that the address names, or the first one,
// and all there are.
func (v *visit) chooseOrg() (registry.Org, []registry.Org, error) {
	ctx := v.r.Context()
	orgs, err := v.Registry.Orgs(ctx)
	if err != nil {
		return registry.Org{}, nil, err
	}
	name := v.r.URL.Query().Get("org")
	if v.r.Method == http.MethodPost {
		name = v.field("org")
	}
	o, err := v.Registry.Org(ctx, name)
	return o, orgs, err
}

// productsView lists an organisation's products.
type productsView struct {
	Org      registry.Org
	Orgs     []registry.Org
	Products []registry.Product
}

func (v *visit) products() error {
	view := productsView{}
	var err error
	if view.Org, view.Orgs, err = v.chooseOrg(); err != nil {
		return err
	}
	if view.Products, err = v.Registry.Products(v.r.Context(), view.Org.ID); err != nil {
		return err
	}
	return v.show(http.StatusOK, "products", "nav.products", view)
}

// devicesPerPage is how many devices one page lists.
const devicesPerPage = 50

// devicesView lists an organisation's devices, a page at a time.
type devicesView struct {
	Org     registry.Org
	Orgs    []registry.Org
	Prefix  string
	Product string
	Devices []registry.Device
	Now     registry.Instant
	Next    string // the last asset of the page, "" when there are no more
}

func (v *visit) devices() error {
	query := v.r.URL.Query()
	view := devicesView{Prefix: query.Get("prefix"), Product: query.Get("product"), Now: v.Registry.Now()}
	var err error
	if view.Org, view.Orgs, err = v.chooseOrg(); err != nil {
		return err
	}
	after, _ := registry.ParseID(query.Get("after"))
	view.Devices, err = v.Registry.Devices(v.r.Context(), view.Org.ID,
		registry.DeviceFilter{Product: view.Product, Prefix: view.Prefix, After: after, Limit: devicesPerPage + 1})
	if err != nil {
		return err
	}
	if len(view.Devices) > devicesPerPage {
		view.Devices = view.Devices[:devicesPerPage]
		view.Next = view.Devices[devicesPerPage-1].Asset.String()
	}
	return v.show(http.StatusOK, "devices", "nav.devices", view)
}

func (v *visit) suspendDevice() error { return v.changeDevice("suspended") }

func (v *visit) resumeDevice() error { return v.changeDevice("resumed") }

func (v *visit) changeDevice(said string) error {
	org, _, err := v.chooseOrg()
	if err != nil {
		return err
	}
	change := v.Registry.Suspend
	if said == "resumed" {
		change = v.Registry.Resume
	}
	if _, err := change(v.r.Context(), org.ID, v.field("device"), v.by()); err != nil {
		return err
	}
	return v.redirect("devices?org=" + org.ID.String() + "&said=" + said)
}

// sessionsView lists logins.
type sessionsView struct {
	Logins []account.Login
	Own    registry.ID
}

func (v *visit) sessions() error {
	of := v.Account.ID
	if v.May(account.Admin) {
		of = 0 // everybody's
	}
	logins, err := v.Accounts.Logins(v.r.Context(), of)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "sessions", "nav.sessions", sessionsView{logins, v.Login.ID})
}

// endSession ends a login of the visitor's account, or anybody's for an admin.
func (v *visit) endSession() error {
	of := v.Account.ID
	if v.May(account.Admin) {
		of = 0
	}
	id, ok := registry.ParseID(v.field("session"))
	if !ok {
		return registry.ErrNotFound
	}
	if err := v.Accounts.EndLogin(v.r.Context(), id, of, v.by()); err != nil {
		return err
	}
	return v.redirect("sessions?said=ended")
}

// eventsPerPage is how many audit events one page lists.
const eventsPerPage = 100

// auditView lists the audit record.
type auditView struct {
	Events []eventView
	Action string
	Before int64 // the moment before which the next page begins, 0 at the end
}

// eventView is an event as people read it.
type eventView struct {
	audit.Sealed
	Fields string
}

// When is the moment of the event.
func (e eventView) When() registry.Instant { return registry.Instant(e.At) }

func (v *visit) audit() error {
	query := v.r.URL.Query()
	before, _ := strconv.ParseInt(query.Get("before"), 10, 64)
	view := auditView{Action: query.Get("action")}
	events, err := v.Registry.AuditEvents(v.r.Context(), registry.AuditFilter{Action: view.Action, Before: registry.Instant(before), Limit: eventsPerPage})
	if err != nil {
		return err
	}
	for _, e := range events {
		view.Events = append(view.Events, eventView{e, fieldsOf(e.Detail)})
	}
	if len(events) == eventsPerPage {
		view.Before = events[len(events)-1].At
	}
	return v.show(http.StatusOK, "audit", "nav.audit", view)
}

// fieldsOf prints a JSON object without its brackets.
func fieldsOf(detail string) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal([]byte(detail), &fields) != nil || len(fields) == 0 {
		return ""
	}
	return strings.TrimSuffix(strings.TrimPrefix(detail, "{"), "}")
}
