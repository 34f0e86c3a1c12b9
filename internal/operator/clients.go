package operator

import (
	"fmt"
	"net/netip"

	"github.com/hallmark-id/hallmark/internal/registry"
)

// APIClient is a credential of one door (API 客户端), without its secret. (Client
// is the one that speaks this API.)
type APIClient struct {
	ClientID string   `json:"client_id"`
	OrgID    string   `json:"org_id"`
	Door     string   `json:"door"`
	Name     string   `json:"name"`
	Scopes   []string `json:"scopes"`
	Networks []string `json:"networks"`
	Disabled bool     `json:"disabled"`
	Created  string   `json:"created"`
	LastUsed string   `json:"last_used"`
}

// CreatedClient is a new client with its secret, which no other answer shows.
// Each door has its own names for the pair; those of the others are "".
type CreatedClient struct {
	APIClient
	AccessKeyID     string `json:"access_key_id,omitempty"`
	AccessKeySecret string `json:"access_key_secret,omitempty"`
	AppKey          string `json:"app_key,omitempty"`
	AppSecret       string `json:"app_secret,omitempty"`
	AppID           string `json:"app_id,omitempty"`
	AppSM4Key       string `json:"app_sm4_key,omitempty"`
}

// ClientList is what listing API clients answers.
type ClientList struct {
	Clients []APIClient `json:"clients"`
}

// ClientSpec is the body that makes an API client.
type ClientSpec struct {
	Door     string   `json:"door"`
	Name     string   `json:"name,omitempty"`
	Scopes   []string `json:"scopes,omitempty"`
	Networks []string `json:"networks,omitempty"`
	// AppID and AppKey are what an app of the ciss door has already.
	AppID  string `json:"app_id,omitempty"`
	AppKey string `json:"app_sm4_key,omitempty"`
}

// ClientStanding is what enabling and disabling a client answers.
type ClientStanding struct {
	ClientID string `json:"client_id"`
	Disabled bool   `json:"disabled"`
}

// DeletedClient is what deleting a client answers.
type DeletedClient struct {
	ClientID string `json:"client_id"`
	Deleted  bool   `json:"deleted"`
}

func viewClient(c registry.Client) APIClient {
	return APIClient{ClientID: c.ID, OrgID: c.Org.String(), Door: string(c.Door), Name: c.Name,
		Scopes: views(c.Scopes, func(s string) string { return s }), Networks: views(c.Networks, netip.Prefix.String),
		Disabled: c.Disabled, Created: c.Created.String(), LastUsed: c.LastUsed.String()}
}

func viewCreatedClient(c registry.Client, secret string) CreatedClient {
	v := CreatedClient{APIClient: viewClient(c)}
	switch c.Door {
	case registry.DoorID2:
		v.AccessKeyID, v.AccessKeySecret = c.ID, secret
	case registry.DoorEnOS:
		v.AppKey, v.AppSecret = c.ID, secret
	case registry.DoorCISS:
		v.AppID, v.AppSM4Key = c.ID, secret
	}
	return v
}

func listClients(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	clients, err := c.Registry.Clients(c.r.Context(), org)
	return ClientList{Clients: views(clients, viewClient)}, err
}

func createClient(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	var body ClientSpec
	if err := c.decode(&body); err != nil {
		return nil, err
	}
	spec := registry.ClientSpec{Door: registry.Door(body.Door), Name: body.Name, Scopes: body.Scopes, Networks: body.Networks,
		AppID: body.AppID, AppKey: body.AppKey}
	client, secret, err := c.Registry.CreateClient(c.r.Context(), org, spec, c.by)
	if err != nil {
		return nil, err
	}
	return viewCreatedClient(client, secret), nil
}

func enableClient(c *call) (any, error) { return c.setDisabled(false) }

func disableClient(c *call) (any, error) { return c.setDisabled(true) }

func (c *call) setDisabled(disabled bool) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	id := c.r.PathValue("client_id")
	err = c.Registry.SetClientDisabled(c.r.Context(), org, id, disabled, c.by)
	return ClientStanding{ClientID: id, Disabled: disabled}, clientError(id, err)
}

func deleteClient(c *call) (any, error) {
	org, err := c.org()
	if err != nil {
		return nil, err
	}
	id := c.r.PathValue("client_id")
	err = c.Registry.DeleteClient(c.r.Context(), org, id, c.by)
	return DeletedClient{ClientID: id, Deleted: true}, clientError(id, err)
}

func clientError(id string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("client %s: %w", clip(id), err)
}
