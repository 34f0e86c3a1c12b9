package store

import (
	"context"
	"database/sql"
	"strings"

	"github.com/hallmark-id/hallmark/internal/pki"
	"github.com/hallmark-id/hallmark/internal/registry"
)

const certificateColumns = `serial, org, device, authority, kind, cn, not_before, not_after, der,
	revoked, reason, revoker, created, created_by, updated, updated_by`

const certificatesWhere = `SELECT ` + certificateColumns + ` FROM certificates WHERE `

func scanCertificate(row scanner) (c pki.Certificate, err error) {
	return c, row.Scan(&c.Serial, &c.Org, &c.Device, &c.Authority, &c.Kind, &c.CN, &c.NotBefore, &c.NotAfter, &c.DER,
		&c.Revoked, &c.Reason, &c.Revoker, &c.Created, &c.CreatedBy, &c.Updated, &c.UpdatedBy)
}

// Certificate implements pki.CertificateStore.
func (s *Store) Certificate(ctx context.Context, org registry.ID, serial pki.Serial) (pki.Certificate, error) {
	return selectOne(ctx, scanCertificate, func() *sql.Row {
		return s.read.QueryRowContext(ctx, certificatesWhere+`serial = $1 AND org = $2`, string(serial), org)
	})
}

// deviceCertificates is the text of DeviceCertificates. A plus keeps an engine
// from walking the index of the column behind it: the one on devices is meant.
const deviceCertificates = certificatesWhere + `device = $1 AND +org = $2 ORDER BY not_before, created, serial`

// DeviceCertificates implements pki.CertificateStore.
func (s *Store) DeviceCertificates(ctx context.Context, org, device registry.ID) ([]pki.Certificate, error) {
	return selectAll(ctx, s, scanCertificate, deviceCertificates, device, org)
}

// Certificates implements pki.CertificateStore.
func (s *Store) Certificates(ctx context.Context, org registry.ID, f pki.Filter, now registry.Instant) ([]pki.Certificate, error) {
	q := certificatesQuery(org, f, now)
	return selectAll(ctx, s, scanCertificate, q.text()+` ORDER BY not_after, serial LIMIT `+itoa(f.Limit), q.args...)
}

func certificatesQuery(org registry.ID, f pki.Filter, now registry.Instant) *query {
	column := "org"
	if f.Device != 0 || f.CN != "" { // few: found by their own index, and then sorted
		column = "+org"
	}
	q := newQuery(certificatesWhere+column+` = $1`, org)
	if f.Device != 0 {
		q.and("device = ?", f.Device)
	}
	if f.CN != "" {
		q.and("cn >= ?", f.CN)
		q.and("cn < ?", f.CN+"\U0010FFFF")
	}
	if f.Kind != 0 {
		q.and("kind = ?", int64(f.Kind))
	}
	if f.Subject != "" {
		q.and(`lower(subject) LIKE ? ESCAPE '\'`, "%"+likeLiteral.Replace(strings.ToLower(f.Subject))+"%")
	}
	if f.ExpiresBefore != 0 {
		q.and("not_after < ?", f.ExpiresBefore)
	}
	if f.Status != nil {
		statusCondition(q, *f.Status, now)
	}
	if f.After != (pki.Cursor{}) {
		q.and("not_after >= ?", f.After.NotAfter)
		q.and("(not_after, serial) > ("+itoa64(int64(f.After.NotAfter))+", ?)", string(f.After.Serial))
	}
	return q
}

// likeLiteral takes the meaning from the signs of LIKE.
var likeLiteral = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// statusCondition says in SQL what pki.Certificate.StatusAt computes.
func statusCondition(q *query, status pki.Status, now registry.Instant) {
	switch status {
	case pki.Revoked:
		q.and("revoked <> ?", int64(0))
	case pki.Expired:
		q.and("revoked = ?", int64(0))
		q.and("not_after < ?", now)
	case pki.Valid:
		q.and("revoked = ?", int64(0))
		q.and("not_after >= ?", now)
	}
}
