-- Times are milliseconds since 1970 UTC; 0 is never, 9223372036854775807 without end.
-- {id}, {bytes} and {text} stand for what each engine calls them; {text} is
-- compared byte by byte, as ranges of it are asked for.

CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value {bytes} NOT NULL
);

-- One row a start: an epoch number is never used twice.
CREATE TABLE epochs (
  epoch BIGINT PRIMARY KEY,
  began BIGINT NOT NULL
);

CREATE TABLE orgs (
  id      {id},
  name    TEXT NOT NULL UNIQUE,
  created BIGINT NOT NULL
);

CREATE TABLE products (
  product_key   TEXT PRIMARY KEY,
  org           BIGINT NOT NULL REFERENCES orgs(id),
  name          TEXT NOT NULL,
  algorithm     SMALLINT NOT NULL,
  hashes        SMALLINT NOT NULL,
  quota         BIGINT NOT NULL, -- -1 without limit
  used          BIGINT NOT NULL DEFAULT 0,
  term_days     BIGINT NOT NULL,
  auto_renew    SMALLINT NOT NULL,
  otp           SMALLINT NOT NULL,
  daily_limit   BIGINT NOT NULL,
  hex_data      SMALLINT NOT NULL,
  two_way_auth  SMALLINT NOT NULL,
  secret        {bytes} NOT NULL, -- sealed
  secret_hash   {bytes} NOT NULL UNIQUE,
  server_key    {bytes},          -- sealed
  server_public {bytes},
  created       BIGINT NOT NULL
);
CREATE INDEX products_org ON products (org, name);

CREATE TABLE devices (
  asset         {id},
  org           BIGINT NOT NULL,
  id2           {text},
  product_key   TEXT NOT NULL DEFAULT '', -- '' while bound to none
  name          TEXT NOT NULL DEFAULT '',
  device_key    TEXT,
  algorithm     SMALLINT NOT NULL,
  key           {bytes} NOT NULL, -- sealed when symmetric
  state         SMALLINT NOT NULL DEFAULT 0,
  licensed      BIGINT NOT NULL DEFAULT 0,
  licence_until BIGINT NOT NULL DEFAULT 0,
  activated     BIGINT NOT NULL DEFAULT 0,
  last_seen     BIGINT NOT NULL DEFAULT 0,
  auth_count    BIGINT NOT NULL DEFAULT 0,
  day           BIGINT NOT NULL DEFAULT 0,
  day_count     BIGINT NOT NULL DEFAULT 0,
  version       BIGINT NOT NULL DEFAULT 1,
  created       BIGINT NOT NULL
);
CREATE UNIQUE INDEX devices_id2 ON devices (org, id2);
CREATE UNIQUE INDEX devices_device_key ON devices (product_key, device_key) WHERE device_key IS NOT NULL;
CREATE INDEX devices_product ON devices (product_key, asset);

CREATE TABLE licences (
  id          {id},
  org         BIGINT NOT NULL,
  product_key TEXT NOT NULL,
  asset       BIGINT NOT NULL,
  id2         TEXT NOT NULL,
  reason      TEXT NOT NULL,
  taken       BIGINT NOT NULL,
  until       BIGINT NOT NULL
);
CREATE INDEX licences_product ON licences (product_key, taken);
CREATE INDEX licences_asset ON licences (asset, taken);
CREATE INDEX licences_org ON licences (org, taken);

CREATE TABLE clients (
  id        TEXT PRIMARY KEY,
  org       BIGINT NOT NULL REFERENCES orgs(id),
  door      TEXT NOT NULL,
  name      TEXT NOT NULL,
  secret    {bytes} NOT NULL, -- sealed
  scopes    TEXT NOT NULL,    -- separated by spaces
  networks  TEXT NOT NULL,    -- separated by spaces
  disabled  SMALLINT NOT NULL DEFAULT 0,
  last_used BIGINT NOT NULL DEFAULT 0,
  created   BIGINT NOT NULL
);
CREATE INDEX clients_org ON clients (org, created);

-- Rows are written in the transaction of the change they tell of; the sealer
-- gives them seq and mac afterwards.
CREATE TABLE audit (
  id      {id},
  at      BIGINT NOT NULL,
  org     BIGINT NOT NULL,
  actor   TEXT NOT NULL,
  request TEXT NOT NULL,
  action  {text} NOT NULL,
  kind    TEXT NOT NULL,
  subject TEXT NOT NULL,
  detail  TEXT NOT NULL,
  seq     BIGINT UNIQUE,
  mac     {bytes}
);
CREATE INDEX audit_unsealed ON audit (at, id) WHERE seq IS NULL;
CREATE INDEX audit_at ON audit (at, id);
CREATE INDEX audit_subject ON audit (subject, at);
