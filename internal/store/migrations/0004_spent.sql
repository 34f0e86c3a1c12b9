-- The codes that counted, where several processes share the store; an embedded
-- store has the tables and never uses them. Codes of one slot of ten minutes are
-- in the table of the slot's number modulo 8. A table is emptied as a whole
-- when it is given to a later slot, so nothing is ever searched for what has
-- expired. How, and why that is safe: internal/store/spent.go.

-- Which slot each table holds. The number only rises.
CREATE TABLE spent_slots (
  ring BIGINT PRIMARY KEY,
  slot BIGINT NOT NULL
);
INSERT INTO spent_slots (ring, slot) VALUES (0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6), (7, 7);

CREATE TABLE spent_0 (key {bytes} PRIMARY KEY, attempt {bytes} NOT NULL);
CREATE TABLE spent_1 (key {bytes} PRIMARY KEY, attempt {bytes} NOT NULL);
CREATE TABLE spent_2 (key {bytes} PRIMARY KEY, attempt {bytes} NOT NULL);
CREATE TABLE spent_3 (key {bytes} PRIMARY KEY, attempt {bytes} NOT NULL);
CREATE TABLE spent_4 (key {bytes} PRIMARY KEY, attempt {bytes} NOT NULL);
CREATE TABLE spent_5 (key {bytes} PRIMARY KEY, attempt {bytes} NOT NULL);
CREATE TABLE spent_6 (key {bytes} PRIMARY KEY, attempt {bytes} NOT NULL);
CREATE TABLE spent_7 (key {bytes} PRIMARY KEY, attempt {bytes} NOT NULL);
