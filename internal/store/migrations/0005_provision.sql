-- One-time provisioning.

-- Whether a device may be given a new key by OTP after it has authenticated.
ALTER TABLE products ADD COLUMN allow_reprovision SMALLINT NOT NULL DEFAULT 0;

-- Which device a fingerprint got. Fingerprints are keyed hashes over
-- organisation and product, too.
CREATE TABLE fingerprints (
  fingerprint {bytes} PRIMARY KEY,
  asset       BIGINT NOT NULL,
  allowed     SMALLINT NOT NULL DEFAULT 0 -- by an operator: once more
);
CREATE UNIQUE INDEX fingerprints_asset ON fingerprints (asset);

-- Keyed hashes of the OTP authentication codes that counted. The codes carry no
-- time, so these stay for good.
CREATE TABLE otp_codes (code {bytes} PRIMARY KEY);
