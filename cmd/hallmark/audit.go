package main

import (
	"context"
	"fmt"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// AuditCmd groups the commands for the audit record.
type AuditCmd struct {
	List   AuditListCmd   `cmd:"" help:"List what was changed and refused, the newest first."`
	Verify AuditVerifyCmd `cmd:"" help:"Check that nothing was changed in the record or removed from it."`
}

// AuditListCmd lists the audit record.
type AuditListCmd struct {
	Subject string `placeholder:"ID" help:"Only events about this asset id, product key or client id."`
	Action  string `placeholder:"ACTION" help:"Only this action, such as device.suspend, or all that begin with a word: device."`
	Before  moment `placeholder:"TIME" help:"Only events before this day or time."`
	Limit   int    `default:"100" help:"Most events to list, up to 1000."`
}

// Help implements kong.HelpProvider.
func (AuditListCmd) Help() string {
	return "Lists events of all organisations unless --org names one. An action that ends in a full stop chooses all that begin with it.\n\nExample:\n\n" +
		"    hallmark --data ./data audit list --action device. --limit 20"
}

// Validate keeps the limit within what the server answers.
func (cmd *AuditListCmd) Validate() error { return checkPage(cmd.Limit) }

// Run lists the audit record.
func (cmd *AuditListCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	list, err := c.Audit(ctx, operator.AuditQuery{Subject: cmd.Subject, Action: cmd.Action, Before: string(cmd.Before), Limit: cmd.Limit})
	if err != nil {
		return err
	}
	t := table{header: []string{"AT", "ACTION", "SUBJECT", "ACTOR", "DETAIL"}}
	for _, ev := range list.Events {
		t.add(ev.At, ev.Action, ev.Subject, ev.Actor, string(ev.Detail))
	}
	if list.NextBefore != "" {
		e.note("there may be more: go on with --before %s", list.NextBefore)
	}
	return e.print(list, t)
}

// AuditVerifyCmd checks the audit chain.
type AuditVerifyCmd struct{}

// Help implements kong.HelpProvider.
func (AuditVerifyCmd) Help() string {
	return "Each event is chained to the one before under a key that is not in the database.\n" +
		"Exit status 1 when the chain is broken.\n\nExample:\n\n    hallmark --data ./data audit verify"
}

// Run checks the audit chain.
func (AuditVerifyCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	check, err := c.VerifyAudit(ctx)
	if err != nil {
		return err
	}
	if !check.Intact {
		return withHint(fmt.Errorf("the audit record is broken at event %d: it, or one before it, was changed or removed", check.BrokenAt),
			"compare it with a backup; the events before it are intact")
	}
	return e.printFields(check)
}
