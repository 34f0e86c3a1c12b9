package operator

import (
	"fmt"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// Org is an organisation.
type Org struct {
	OrgID   string `json:"org_id"`
	Name    string `json:"name"`
	Created string `json:"created"`
}

// OrgList is what listing organisations answers.
type OrgList struct {
	Orgs []Org `json:"orgs"`
}

// OrgSpec is the body that makes an organisation.
type OrgSpec struct {
	Name string `json:"name"`
}

func viewOrg(o registry.Org) Org {
	return Org{OrgID: o.ID.String(), Name: o.Name, Created: o.Created.String()}
}

func listOrgs(c *call) (any, error) {
	orgs, err := c.Registry.Orgs(c.r.Context())
	return OrgList{Orgs: views(orgs, viewOrg)}, err
}

func createOrg(c *call) (any, error) {
	var body OrgSpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	o, err := c.Registry.CreateOrg(c.r.Context(), body.Name, c.by)
	if err != nil {
		return nil, fmt.Errorf("organisation %q: %w", clip(body.Name), err)
	}
	return viewOrg(o), nil
}

// views converts a list; an empty one is [] in JSON, not null.
func views[D, V any](rows []D, view func(D) V) []V {
	out := make([]V, len(rows))
	for i, row := range rows {
		out[i] = view(row)
	}
	return out
}
