package registry

import (
	"context"

	"github.com/hallmark-id/hallmark/internal/audit"
)

// Store keeps the domain. Every method that changes something writes its audit
// event in the same transaction; when it returns without error the change is
// durable, and when it returns one of this package's errors nothing has
// changed. Any other error means that the outcome is unknown.
type Store interface {
	OrgStore
	ProductStore
	DeviceStore
	LicenceStore
	ProvisionStore
	ManagedStore
	ClientStore
	RootStore
	AuditStore
	NodeStore
	RelayStore
}

// OrgStore keeps organisations.
type OrgStore interface {
	CreateOrg(ctx context.Context, o Org, e audit.Event) error
	Orgs(ctx context.Context) ([]Org, error)
}

// ProductStore keeps products. Product returns ErrNotFound for an unknown key.
type ProductStore interface {
	CreateProduct(ctx context.Context, p ProductRow, e audit.Event) error
	// UpdateProduct changes the settings of a product if they are still as they
	// were read, else ErrConflict.
	UpdateProduct(ctx context.Context, was, p Product, e audit.Event) error
	Product(ctx context.Context, key string) (ProductRow, error)
	Products(ctx context.Context, org ID) ([]Product, error)
}

// DeviceStore keeps devices.
type DeviceStore interface {
	DeviceByID2(ctx context.Context, org ID, id2 string) (DeviceRow, error)
	DeviceByAsset(ctx context.Context, org ID, asset ID) (DeviceRow, error)
	// Devices returns a page in the order of assets; now tells expired from active.
	Devices(ctx context.Context, org ID, f DeviceFilter, now Instant) ([]Device, error)
	// InsertDevices adds the rows whose id2 and device key are new; their asset
	// ids must be. It returns the asset ids of those it added.
	InsertDevices(ctx context.Context, rows []DeviceRow, e audit.Event) (added map[ID]bool, err error)
	// DevicesByID2 returns those of the named devices that exist.
	DevicesByID2(ctx context.Context, org ID, ids []string) ([]DeviceRow, error)
	// UpdateDevice writes state, key, name and version if the device still has
	// the given version, else ErrConflict.
	UpdateDevice(ctx context.Context, d DeviceRow, version int64, e audit.Event) error
	DeleteDevice(ctx context.Context, org ID, asset ID, e audit.Event) error
	// AddUsage adds to counters; unknown devices are passed over.
	AddUsage(ctx context.Context, batch []Usage) error
}

// LicenceStore keeps licences.
type LicenceStore interface {
	// Activate does all that Activation says or nothing: ErrQuota, ErrConflict.
	Activate(ctx context.Context, a Activation, e audit.Event) error
	Licences(ctx context.Context, org ID, f LicenceFilter) ([]Licence, error)
}

// ProvisionStore keeps what one-time provisioning needs besides devices.
type ProvisionStore interface {
	// ProductByToken returns the product whose token's key has this SHA-256.
	ProductByToken(ctx context.Context, org ID, keyHash []byte) (ProductRow, error)
	// Fingerprint returns what is known of a fingerprint and of a code.
	Fingerprint(ctx context.Context, org ID, fingerprint, code []byte) (Known, error)
	// Provision does all that Provisioning says or nothing: ErrSpent, ErrQuota,
	// ErrConflict. It returns the licences left.
	Provision(ctx context.Context, p Provisioning, e audit.Event) (remaining int64, err error)
	// AllowReprovision lets a provisioned device be provisioned once more;
	// ErrNotFound for any other.
	AllowReprovision(ctx context.Context, asset ID, e audit.Event) error
}

// ManagedStore keeps what the EnOS door knows of products and devices besides.
type ManagedStore interface {
	// UpdateManagedProduct is UpdateProduct, with the product's information.
	UpdateManagedProduct(ctx context.Context, was, p Product, info []byte, e audit.Event) error
	// DeleteProduct returns ErrForbidden while the product has devices.
	DeleteProduct(ctx context.Context, org ID, key string, e audit.Event) error
	// InsertManagedDevice returns ErrNotFound without its product, ErrExists if the
	// product has a device of its device key.
	InsertManagedDevice(ctx context.Context, d DeviceRow, more ManagedRow, e audit.Event) error
	DeviceByKey(ctx context.Context, org ID, product, deviceKey string) (DeviceRow, error)
	// ManagedRow returns ErrNotFound for a device that the door knows nothing more of.
	ManagedRow(ctx context.Context, asset ID) (ManagedRow, error)
	// UpdateManagedDevice is UpdateDevice, with the device's information.
	UpdateManagedDevice(ctx context.Context, d DeviceRow, version int64, info []byte, e audit.Event) error
	// CountDevices counts up to a bound.
	CountDevices(ctx context.Context, org ID, f DeviceFilter, bound int, now Instant) (int, error)
}

// ClientStore keeps API clients.
type ClientStore interface {
	CreateClient(ctx context.Context, c ClientRow, e audit.Event) error
	Client(ctx context.Context, id string) (ClientRow, error)
	Clients(ctx context.Context, org ID) ([]Client, error)
	SetClientDisabled(ctx context.Context, org ID, id string, disabled bool, e audit.Event) error
	// SetClientSettings writes the settings of an app of the ciss door if they are
	// still as they were read, else ErrConflict.
	SetClientSettings(ctx context.Context, org ID, id, was, settings string, e audit.Event) error
	DeleteClient(ctx context.Context, org ID, id string, e audit.Event) error
	MarkClientUsed(ctx context.Context, id string, at Instant) error
}

// AuditStore keeps the record.
type AuditStore interface {
	AppendAudit(ctx context.Context, events []audit.Event) error
	AuditEvents(ctx context.Context, f AuditFilter) ([]audit.Sealed, error)
}
