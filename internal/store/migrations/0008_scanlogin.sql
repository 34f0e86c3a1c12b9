-- Accounts, the logins they hold, and scan logins under way.

CREATE TABLE accounts (
  id           {id},
  name         TEXT NOT NULL UNIQUE,
  role         TEXT NOT NULL,
  password     {bytes} NOT NULL, -- sealed; empty for none
  disabled     SMALLINT NOT NULL DEFAULT 0,
  attempts     BIGINT NOT NULL DEFAULT 0, -- by password, since the last success
  locked_until BIGINT NOT NULL DEFAULT 0,
  created      BIGINT NOT NULL,
  changed      BIGINT NOT NULL,
  last_login   BIGINT NOT NULL DEFAULT 0,
  last_address TEXT NOT NULL DEFAULT '',
  version      BIGINT NOT NULL
);

-- A binding names a certificate by its fingerprint, or an authority's
-- certificate and a rule for subjects; the other columns are ''.
CREATE TABLE bindings (
  id          {id},
  account     BIGINT NOT NULL,
  fingerprint TEXT NOT NULL,
  authority   TEXT NOT NULL,
  subject     TEXT NOT NULL,
  label       TEXT NOT NULL,
  created     BIGINT NOT NULL
);
CREATE UNIQUE INDEX bindings_what ON bindings (fingerprint, authority, subject);
CREATE INDEX bindings_account ON bindings (account, created);
CREATE INDEX bindings_authority ON bindings (authority);

CREATE TABLE logins (
  id      {id},
  token   {bytes} NOT NULL UNIQUE, -- SHA-256
  account BIGINT NOT NULL,
  method  TEXT NOT NULL,
  address TEXT NOT NULL,
  agent   TEXT NOT NULL,
  opened  BIGINT NOT NULL,
  seen    BIGINT NOT NULL
);
CREATE INDEX logins_account ON logins (account, opened);
CREATE INDEX logins_opened ON logins (opened);
CREATE INDEX logins_seen ON logins (seen);

CREATE TABLE scans (
  auth_id     TEXT PRIMARY KEY,
  org         BIGINT NOT NULL,
  poll        {bytes} NOT NULL, -- SHA-256
  state       SMALLINT NOT NULL,
  app         TEXT NOT NULL DEFAULT '',
  account     BIGINT NOT NULL DEFAULT 0,
  certificate TEXT NOT NULL DEFAULT '',
  refusal     TEXT NOT NULL DEFAULT '',
  address     TEXT NOT NULL,
  agent       TEXT NOT NULL,
  created     BIGINT NOT NULL,
  expires     BIGINT NOT NULL
);
CREATE INDEX scans_expires ON scans (expires);
