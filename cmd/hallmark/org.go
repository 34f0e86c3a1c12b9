package main

import (
	"context"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// OrgCmd groups the commands for organisations.
type OrgCmd struct {
	List   OrgListCmd   `cmd:"" help:"List organisations."`
	Create OrgCreateCmd `cmd:"" help:"Make an organisation."`
}

// OrgListCmd lists organisations.
type OrgListCmd struct{}

// Help implements kong.HelpProvider.
func (OrgListCmd) Help() string { return "Example:\n\n    hallmark --data ./data org list" }

// Run lists organisations.
func (OrgListCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	list, err := c.Orgs(ctx)
	if err != nil {
		return err
	}
	t := table{header: []string{"ORG", "NAME", "CREATED"}}
	for _, o := range list.Orgs {
		t.add(o.OrgID, o.Name, o.Created)
	}
	return e.print(list, t)
}

// OrgCreateCmd makes an organisation.
type OrgCreateCmd struct {
	Name string `required:"" help:"Its name."`
}

// Help implements kong.HelpProvider.
func (OrgCreateCmd) Help() string {
	return "Commands work in the first organisation unless --org names another.\n\nExample:\n\n" +
		"    hallmark --data ./data org create --name factory-2\n" +
		"    hallmark --data ./data --org factory-2 product list"
}

// Run makes an organisation.
func (cmd *OrgCreateCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	o, err := c.CreateOrg(ctx, operator.OrgSpec{Name: cmd.Name})
	if err != nil {
		return err
	}
	return e.printFields(o)
}
