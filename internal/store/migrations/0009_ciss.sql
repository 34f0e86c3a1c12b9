-- Settings of the ciss door's apps, and the roots of the certificates they
-- sign in with.

ALTER TABLE clients ADD COLUMN settings TEXT NOT NULL DEFAULT ''; -- JSON, '' for the defaults

CREATE TABLE ciss_roots (
  org          BIGINT NOT NULL,
  fingerprint  TEXT NOT NULL,    -- SHA-256 of the certificate in hexadecimal digits
  intermediate SMALLINT NOT NULL,
  certificate  {bytes} NOT NULL, -- DER
  crl          {bytes} NOT NULL, -- DER, empty for none
  created      BIGINT NOT NULL,
  PRIMARY KEY (org, fingerprint)
);
