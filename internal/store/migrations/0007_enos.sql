-- What the EnOS door keeps of products and devices besides.

-- Limits of validity of a product's certificates, in days.
ALTER TABLE products ADD COLUMN default_valid_days BIGINT NOT NULL DEFAULT 730;
ALTER TABLE products ADD COLUMN max_valid_days BIGINT NOT NULL DEFAULT 1095;

-- A product that was made through the door has algorithm 0, and so has a device
-- of it: no ID2 key. What clients say of them and read back is one document.
CREATE TABLE enos_products (
  product_key TEXT PRIMARY KEY,
  info        TEXT NOT NULL
);

CREATE TABLE enos_devices (
  asset  {id},
  secret {bytes} NOT NULL, -- sealed; empty for a device that was made elsewhere
  info   TEXT NOT NULL
);
