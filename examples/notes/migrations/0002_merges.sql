-- Where a note went that was merged into another one.
CREATE TABLE merges (
  id INTEGER PRIMARY KEY,
  into_id INTEGER NOT NULL REFERENCES notes (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX merges_by_target ON merges (into_id);
