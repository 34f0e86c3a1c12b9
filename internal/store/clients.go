package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"strings"

	"github.com/hallmark-id/hallmark/internal/audit"
	"github.com/hallmark-id/hallmark/internal/registry"
)

const clientColumns = `SELECT id, org, door, name, secret, scopes, networks, disabled, last_used, created, settings`

func scanClient(row scanner) (registry.ClientRow, error) {
	var c registry.ClientRow
	var scopes, networks string
	var disabled int64
	err := row.Scan(&c.ID, &c.Org, &c.Door, &c.Name, &c.Secret, &scopes, &networks, &disabled, &c.LastUsed, &c.Created, &c.Settings)
	if err != nil {
		return c, err
	}
	c.Disabled, c.Scopes = disabled != 0, strings.Fields(scopes)
	for _, n := range strings.Fields(networks) {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			return c, fmt.Errorf("networks of client %s: %w", c.ID, err)
		}
		c.Networks = append(c.Networks, p)
	}
	return c, nil
}

// CreateClient implements registry.ClientStore.
func (s *Store) CreateClient(ctx context.Context, c registry.ClientRow, e audit.Event) error {
	networks := make([]string, len(c.Networks))
	for i, n := range c.Networks {
		networks[i] = n.String()
	}
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`INSERT INTO clients (id, org, door, name, secret, scopes, networks, disabled, created)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`, c.ID, c.Org, string(c.Door), c.Name, c.Secret,
			strings.Join(c.Scopes, " "), strings.Join(networks, " "), flag(c.Disabled), c.Created)
		return exactlyOne(res, err, registry.ErrExists)
	})
}

// Client implements registry.ClientStore.
func (s *Store) Client(ctx context.Context, id string) (registry.ClientRow, error) {
	return selectOne(ctx, scanClient, func() *sql.Row {
		return s.read.QueryRowContext(ctx, clientColumns+` FROM clients WHERE id = $1`, id)
	})
}

// Clients implements registry.ClientStore.
func (s *Store) Clients(ctx context.Context, org registry.ID) ([]registry.Client, error) {
	return selectAll(ctx, s, func(row scanner) (registry.Client, error) {
		c, err := scanClient(row)
		return c.Client, err
	}, clientColumns+` FROM clients WHERE org = $1 ORDER BY created, id`, org)
}

// SetClientDisabled implements registry.ClientStore.
func (s *Store) SetClientDisabled(ctx context.Context, org registry.ID, id string, disabled bool, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`UPDATE clients SET disabled = $1 WHERE id = $2 AND org = $3`, flag(disabled), id, org)
		if err := exactlyOne(res, err, registry.ErrNotFound); err != nil {
			return err
		}
		return s.noteChange(tx, registry.ClientChanged, org, id)
	})
}

// SetClientSettings implements registry.ClientStore.
func (s *Store) SetClientSettings(ctx context.Context, org registry.ID, id, was, settings string, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`UPDATE clients SET settings = $1 WHERE id = $2 AND org = $3 AND settings = $4`, settings, id, org, was)
		if err := exactlyOne(res, err, registry.ErrConflict); err != nil {
			return err
		}
		return s.noteChange(tx, registry.ClientChanged, org, id)
	})
}

// DeleteClient implements registry.ClientStore.
func (s *Store) DeleteClient(ctx context.Context, org registry.ID, id string, e audit.Event) error {
	return s.writeAudited(ctx, e, func(tx txn) error {
		res, err := tx.Exec(`DELETE FROM clients WHERE id = $1 AND org = $2`, id, org)
		if err := exactlyOne(res, err, registry.ErrNotFound); err != nil {
			return err
		}
		return s.noteChange(tx, registry.ClientChanged, org, id)
	})
}

// MarkClientUsed implements registry.ClientStore.
func (s *Store) MarkClientUsed(ctx context.Context, id string, at registry.Instant) error {
	return s.write(ctx, func(tx txn) error {
		_, err := tx.Exec(`UPDATE clients SET last_used = $1 WHERE id = $2 AND last_used < $1`, at, id)
		return err
	})
}
