-- Relay: devices whose key an upstream ID² service holds.

-- Whether ids of this product that are not known here are asked of the upstream.
ALTER TABLE products ADD COLUMN relay SMALLINT NOT NULL DEFAULT 0;

-- Where the unknown ids of an organisation are asked for.
CREATE TABLE relay_upstreams (
  org           BIGINT PRIMARY KEY,
  endpoint      TEXT NOT NULL,
  access_key_id TEXT NOT NULL,
  secret        {bytes} NOT NULL, -- sealed
  ca            TEXT NOT NULL,    -- PEM, '' for the system's authorities
  timeout_ms    BIGINT NOT NULL,
  insecure_http SMALLINT NOT NULL,
  changed       BIGINT NOT NULL
);

-- Ids that the upstream has answered for. The product is '' until a device has
-- authenticated: a request for a challenge does not name it.
CREATE TABLE relayed_devices (
  org         BIGINT NOT NULL,
  id2         {text} NOT NULL,
  product_key TEXT NOT NULL,
  first_seen  BIGINT NOT NULL,
  last_seen   BIGINT NOT NULL,
  auth_count  BIGINT NOT NULL,
  PRIMARY KEY (org, id2)
);
CREATE INDEX relayed_devices_seen ON relayed_devices (org, last_seen);
