package main

import (
	"context"
	"errors"
	"strings"

	"github.com/hallmark-id/hallmark/internal/operator"
)

// ClientCmd groups the commands for API clients.
type ClientCmd struct {
	Create  ClientCreateCmd  `cmd:"" help:"Make an API client; its secret is shown once."`
	List    ClientListCmd    `cmd:"" help:"List API clients."`
	Enable  ClientEnableCmd  `cmd:"" help:"Switch an API client on."`
	Disable ClientDisableCmd `cmd:"" help:"Switch an API client off."`
	Delete  ClientDeleteCmd  `cmd:"" help:"Remove an API client."`
}

// ClientCreateCmd makes an API client.
type ClientCreateCmd struct {
	Door    string   `required:"" enum:"id2,enos,ciss" placeholder:"DOOR" help:"Which protocol it speaks: ${enum}."`
	Name    string   `help:"What it is for."`
	Scope   []string `placeholder:"ACTION,…" help:"Actions it may call; all of its door if not given."`
	Network []string `placeholder:"CIDR,…" help:"Networks it may call from; any if not given."`
	AppID   string   `name:"app-id" placeholder:"ID" help:"Keep the appId that an app has already; ciss only, with --app-key-file."`
	AppKey  string   `name:"app-key-file" placeholder:"FILE|-" help:"Keep the SM4 key that an app has already: 32 hexadecimal digits or 16 characters. - for standard input."`
}

// Validate refuses what no server would take, as wrong use.
func (cmd *ClientCreateCmd) Validate() error {
	if (cmd.AppID == "") != (cmd.AppKey == "") || cmd.AppID != "" && cmd.Door != "ciss" {
		return errors.New("--app-id and --app-key-file go together, and with --door ciss only")
	}
	return nil
}

// Help implements kong.HelpProvider.
func (ClientCreateCmd) Help() string {
	return "Prints access_key_id and access_key_secret (id2), app_key and app_secret (enos), or app_id and app_sm4_key (ciss). " +
		"The secret is not shown again.\n\nExample:\n\n" +
		"    hallmark --data ./data client create --door id2 --name back-end --scope GetServerRandom,Verify --network 10.0.0.0/8"
}

// Run makes an API client.
func (cmd *ClientCreateCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	spec := operator.ClientSpec{Door: cmd.Door, Name: cmd.Name, Scopes: cmd.Scope, Networks: cmd.Network, AppID: cmd.AppID}
	if cmd.AppKey != "" {
		text, err := e.readKey(cmd.AppKey)
		if err != nil {
			return err
		}
		spec.AppKey = strings.TrimSpace(text)
	}
	created, err := c.CreateAPIClient(ctx, spec)
	if err != nil {
		return err
	}
	e.note("keep the secret now: it is not shown again")
	return e.printFields(created)
}

// ClientListCmd lists API clients.
type ClientListCmd struct{}

// Help implements kong.HelpProvider.
func (ClientListCmd) Help() string { return "Example:\n\n    hallmark --data ./data client list" }

// Run lists API clients.
func (ClientListCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	list, err := c.APIClients(ctx)
	if err != nil {
		return err
	}
	t := table{header: []string{"CLIENT", "DOOR", "NAME", "DISABLED", "LAST USED", "SCOPES", "NETWORKS"}}
	for _, k := range list.Clients {
		t.add(k.ClientID, k.Door, k.Name, yes(k.Disabled), k.LastUsed, strings.Join(k.Scopes, ","), strings.Join(k.Networks, ","))
	}
	return e.print(list, t)
}

// clientArg is the API client that a command is about.
type clientArg struct {
	Client string `arg:"" help:"Its access key id, app key or app id."`
}

// ClientEnableCmd switches an API client on.
type ClientEnableCmd struct{ clientArg }

// Help implements kong.HelpProvider.
func (ClientEnableCmd) Help() string {
	return "Example:\n\n    hallmark --data ./data client enable LTAIab12cd34ef56gh78ij90"
}

// Run switches an API client on.
func (cmd *ClientEnableCmd) Run(ctx context.Context, e *Env) error {
	return setDisabled(ctx, e, cmd.Client, false)
}

// ClientDisableCmd switches an API client off.
type ClientDisableCmd struct{ clientArg }

// Help implements kong.HelpProvider.
func (ClientDisableCmd) Help() string {
	return "Its next request is refused.\n\nExample:\n\n    hallmark --data ./data client disable LTAIab12cd34ef56gh78ij90"
}

// Run switches an API client off.
func (cmd *ClientDisableCmd) Run(ctx context.Context, e *Env) error {
	return setDisabled(ctx, e, cmd.Client, true)
}

func setDisabled(ctx context.Context, e *Env, id string, disabled bool) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	standing, err := c.SetAPIClientDisabled(ctx, id, disabled)
	if err != nil {
		return err
	}
	return e.printFields(standing)
}

// ClientDeleteCmd removes an API client.
type ClientDeleteCmd struct{ clientArg }

// Help implements kong.HelpProvider.
func (ClientDeleteCmd) Help() string {
	return "Example:\n\n    hallmark --data ./data client delete LTAIab12cd34ef56gh78ij90"
}

// Run removes an API client.
func (cmd *ClientDeleteCmd) Run(ctx context.Context, e *Env) error {
	c, err := e.client()
	if err != nil {
		return err
	}
	gone, err := c.DeleteAPIClient(ctx, cmd.Client)
	if err != nil {
		return err
	}
	return e.printFields(gone)
}
