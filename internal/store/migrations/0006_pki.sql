-- Authorities, the certificates of devices and what of them is revoked.

CREATE TABLE authorities (
  id      {id},
  kind    SMALLINT NOT NULL,
  state   SMALLINT NOT NULL, -- 0 waits for its certificate, 1 issues, 2 retired
  subject TEXT NOT NULL,
  key     {bytes} NOT NULL,  -- sealed
  request {bytes},           -- PKCS#10 while it waits
  chain   {bytes},           -- its certificate and those above, one after the other
  created BIGINT NOT NULL
);
CREATE UNIQUE INDEX authorities_active ON authorities (kind) WHERE state = 1;

CREATE TABLE certificates (
  serial     {text} PRIMARY KEY, -- decimal
  org        BIGINT NOT NULL,
  device     BIGINT NOT NULL,
  authority  BIGINT NOT NULL,
  kind       SMALLINT NOT NULL,
  cn         {text} NOT NULL,
  subject    TEXT NOT NULL,      -- as people read it
  key_hash   {bytes} NOT NULL,   -- SHA-256 of the public key
  not_before BIGINT NOT NULL,
  not_after  BIGINT NOT NULL,
  der        {bytes} NOT NULL,
  revoked    BIGINT NOT NULL DEFAULT 0,
  reason     SMALLINT NOT NULL DEFAULT 0,
  revoker    TEXT NOT NULL DEFAULT '',
  created    BIGINT NOT NULL,
  created_by TEXT NOT NULL,
  updated    BIGINT NOT NULL,
  updated_by TEXT NOT NULL
);
CREATE INDEX certificates_device ON certificates (device, not_before);
CREATE INDEX certificates_cn ON certificates (cn);
CREATE INDEX certificates_key ON certificates (key_hash);
CREATE INDEX certificates_expiry ON certificates (org, not_after, serial);
CREATE INDEX certificates_revoked ON certificates (authority, not_after) WHERE revoked <> 0;

-- What two nodes that issue at once for the same name or key wait for.
CREATE TABLE certificate_claims (claim {bytes} PRIMARY KEY);

CREATE TABLE crls (
  authority   BIGINT PRIMARY KEY,
  number      BIGINT NOT NULL,
  this_update BIGINT NOT NULL,
  next_update BIGINT NOT NULL,
  entries     BIGINT NOT NULL,
  der         {bytes} NOT NULL
);

-- Written with each change of what is revoked, taken away with the list that has it.
CREATE TABLE crl_marks (
  id        {id},
  authority BIGINT NOT NULL
);
