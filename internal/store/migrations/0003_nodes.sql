-- What several nodes on one store must tell each other.

-- Keys of challenges: published first, issued under later, accepted by all.
CREATE TABLE challenge_keys (
  id        {id},
  secret    {bytes} NOT NULL, -- sealed
  published BIGINT NOT NULL
);

-- Changes that the caches of other nodes must hear of; kept for some minutes.
CREATE TABLE changes (
  id   {id},
  at   BIGINT NOT NULL,
  kind SMALLINT NOT NULL,
  org  BIGINT NOT NULL,
  name TEXT NOT NULL
);
CREATE INDEX changes_at ON changes (at);

CREATE TABLE nodes (
  id       {id},
  url      TEXT NOT NULL,
  version  TEXT NOT NULL,
  started  BIGINT NOT NULL,
  seen     BIGINT NOT NULL,
  draining SMALLINT NOT NULL DEFAULT 0
);
