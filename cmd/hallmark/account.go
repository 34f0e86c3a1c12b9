package main

import (
	"context"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// AccountCmd groups the commands for accounts.
type AccountCmd struct {
	Create  AccountCreateCmd  `cmd:"" help:"Make an account."`
	List    AccountListCmd    `cmd:"" help:"List accounts and what is bound to them."`
	Passwd  AccountPasswdCmd  `cmd:"" help:"Give an account another password."`
	Role    AccountRoleCmd    `cmd:"" help:"Give an account another role."`
	Bind    AccountBindCmd    `cmd:"" help:"Let an SM2 certificate sign in to an account."`
	Unbind  AccountUnbindCmd  `cmd:"" help:"Remove a binding."`
	Disable AccountDisableCmd `cmd:"" help:"Switch an account off."`
	Enable  AccountEnableCmd  `cmd:"" help:"Switch an account on, and lift a lock."`
	Delete  AccountDeleteCmd  `cmd:"" help:"Remove an account."`
}

// accountArg is the account that a command is about.
type accountArg struct {
	Name string `arg:"" help:"Its name; case does not count."`
}

// AccountCreateCmd makes an account.
type AccountCreateCmd struct {
	accountArg
	Role       string `enum:"viewer,operator,admin" default:"viewer" help:"What it may do: ${enum}."`
	NoPassword bool   `help:"Only bound certificates sign in."`
}

// Help implements kong.HelpProvider.
func (AccountCreateCmd) Help() string {
	return "A viewer looks, an operator also suspends devices and reads the audit record, an admin also manages accounts. " +
		"Accounts belong to the server, not to an organisation. " + passwordHelp + "\n\nExample:\n\n" +
		"    hallmark --data ./data account create wang.li --role admin"
}

const passwordHelp = "The password is asked for on a terminal, and is else the first line of standard input; it is never an argument."

// Run makes an account.
func (cmd *AccountCreateCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	spec := operator.AccountSpec{Name: cmd.Name, Role: cmd.Role}
	if !cmd.NoPassword {
		if spec.Password, err = e.newPassword(); err != nil {
			return err
		}
	}
	a, err := c.CreateAccount(ctx, spec)
	return e.printAccount(a, err)
}

// printAccount shows an account, or passes an error on.
func (e *Env) printAccount(a operator.Account, err error) error {
	if err != nil {
		return err
	}
	if e.Output == "json" {
		return e.printJSON(a)
	}
	return e.printFields(struct {
		operator.Account
		Bindings int `json:"bindings"`
	}{a, len(a.Bindings)})
}

// AccountListCmd lists accounts.
type AccountListCmd struct{}

// Help implements kong.HelpProvider.
func (AccountListCmd) Help() string { return "Example:\n\n    hallmark --data ./data account list" }

// Run lists accounts, each with a line for every binding.
func (AccountListCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	list, err := c.Accounts(ctx)
	if err != nil {
		return err
	}
	t := table{header: []string{"ACCOUNT", "ROLE", "DISABLED", "PASSWORD", "LAST LOGIN", "BINDING", "CERTIFICATE"}}
	for _, a := range list.Accounts {
		first := operator.AccountBinding{}
		if len(a.Bindings) > 0 {
			first = a.Bindings[0]
		}
		t.add(a.Name, a.Role, yes(a.Disabled), yes(a.HasPassword), a.LastLogin, first.BindingID, bindingText(first))
		for _, b := range a.Bindings[min(1, len(a.Bindings)):] {
			t.add("", "", "", "", "", b.BindingID, bindingText(b))
		}
	}
	return e.print(list, t)
}

func bindingText(b operator.AccountBinding) string {
	if b.Subject != "" {
		return b.Subject + " by " + b.Authority
	}
	return b.Fingerprint
}

// AccountPasswdCmd gives an account another password.
type AccountPasswdCmd struct{ accountArg }

// Help implements kong.HelpProvider.
func (AccountPasswdCmd) Help() string {
	return "Its sessions end, and a lock is lifted. " + passwordHelp + "\n\nExample:\n\n    hallmark --data ./data account passwd wang.li"
}

// Run sets a password.
func (cmd *AccountPasswdCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	password, err := e.newPassword()
	if err != nil {
		return err
	}
	a, err := c.SetAccountPassword(ctx, cmd.Name, password)
	return e.printAccount(a, err)
}

// AccountRoleCmd gives an account another role.
type AccountRoleCmd struct {
	accountArg
	Role string `arg:"" enum:"viewer,operator,admin" help:"What it may do: ${enum}."`
}

// Help implements kong.HelpProvider.
func (AccountRoleCmd) Help() string {
	return "It holds at once, also where the account is signed in.\n\nExample:\n\n    hallmark --data ./data account role wang.li operator"
}

// Run sets a role.
func (cmd *AccountRoleCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	a, err := c.SetAccountRole(ctx, cmd.Name, cmd.Role)
	return e.printAccount(a, err)
}

// AccountBindCmd binds a certificate.
type AccountBindCmd struct {
	accountArg
	Cert        string `placeholder:"FILE" help:"The certificate, PEM; - for standard input."`
	Fingerprint string `placeholder:"HEX" help:"Instead of the certificate the SHA-256 of its DER form."`
	Authority   string `placeholder:"FILE" help:"Any certificate that this authority has issued to --subject, PEM."`
	Subject     string `placeholder:"RULE" help:"What the subject must hold, such as CN=Wang Li,O=Example."`
	Label       string `help:"What it is, for people."`
}

// Help implements kong.HelpProvider.
func (AccountBindCmd) Help() string {
	return "A binding by --cert or --fingerprint is for one certificate, one by --authority and --subject also for those that come after it. " +
		"The rule names a person by CN, serialNumber or UID, and holds for what the authority itself has issued. " +
		"Chain, validity and revocation are checked besides: see hallmark ciss root.\n\nExamples:\n\n" +
		"    hallmark --data ./data account bind wang.li --cert card.pem --label 'SIM card'\n" +
		"    hallmark --data ./data account bind wang.li --authority ca.pem --subject 'CN=Wang Li,O=Example'"
}

// Run binds a certificate.
func (cmd *AccountBindCmd) Run(ctx context.Context, e *Env) error {
	spec := operator.BindingSpec{Fingerprint: cmd.Fingerprint, Subject: cmd.Subject, Label: cmd.Label}
	var err error
	if spec.Certificate, err = e.certificate(cmd.Cert); err != nil {
		return err
	}
	if spec.Authority, err = e.certificate(cmd.Authority); err != nil {
		return err
	}
	c, err := e.client()
	if err != nil {
		return err
	}
	b, err := c.BindAccount(ctx, cmd.Name, spec)
	if err != nil {
		return err
	}
	return e.printFields(b)
}

// certificate reads a file, "" for none.
func (e *Env) certificate(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return e.readText(path)
}

// AccountUnbindCmd removes a binding.
type AccountUnbindCmd struct {
	accountArg
	Binding string `arg:"" help:"The binding's id, as account list shows it."`
}

// Help implements kong.HelpProvider.
func (AccountUnbindCmd) Help() string {
	return "Sessions go on until they end; account disable ends them.\n\nExample:\n\n    hallmark --data ./data account unbind wang.li 2s0xdt4hs0cby"
}

// Run removes a binding.
func (cmd *AccountUnbindCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	gone, err := c.UnbindAccount(ctx, cmd.Name, cmd.Binding)
	if err != nil {
		return err
	}
	return e.printFields(gone)
}

// AccountDisableCmd switches an account off.
type AccountDisableCmd struct{ accountArg }

// Help implements kong.HelpProvider.
func (AccountDisableCmd) Help() string {
	return "Its sessions end.\n\nExample:\n\n    hallmark --data ./data account disable wang.li"
}

// Run switches an account off.
func (cmd *AccountDisableCmd) Run(ctx context.Context, e *Env) error {
	return e.setAccountDisabled(ctx, cmd.Name, true)
}

// AccountEnableCmd switches an account on.
type AccountEnableCmd struct{ accountArg }

// Help implements kong.HelpProvider.
func (AccountEnableCmd) Help() string {
	return "Also lets an account that failed too often try its password again.\n\nExample:\n\n    hallmark --data ./data account enable wang.li"
}

// Run switches an account on.
func (cmd *AccountEnableCmd) Run(ctx context.Context, e *Env) error {
	return e.setAccountDisabled(ctx, cmd.Name, false)
}

func (e *Env) setAccountDisabled(ctx context.Context, name string, disabled bool) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	a, err := c.SetAccountDisabled(ctx, name, disabled)
	return e.printAccount(a, err)
}

// AccountDeleteCmd removes an account.
type AccountDeleteCmd struct{ accountArg }

// Help implements kong.HelpProvider.
func (AccountDeleteCmd) Help() string {
	return "Its bindings and sessions go with it.\n\nExample:\n\n    hallmark --data ./data account delete wang.li"
}

// Run removes an account.
func (cmd *AccountDeleteCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	gone, err := c.DeleteAccount(ctx, cmd.Name)
	if err != nil {
		return err
	}
	return e.printFields(gone)
}
