-- Lists and exports of a whole organisation walk its devices in the order of
-- their assets; without this each page would sort all of them.
CREATE INDEX devices_org ON devices (org, asset);
