CREATE TABLE departments (
  id TEXT PRIMARY KEY,
  budget_cents INTEGER NOT NULL,
  approved_by TEXT
) STRICT;
CREATE TABLE expenses (
  id INTEGER PRIMARY KEY,
  department TEXT NOT NULL REFERENCES departments (id),
  -- The day, as YYYY-MM-DD.
  spent_on TEXT NOT NULL,
  purpose TEXT NOT NULL,
  cents INTEGER NOT NULL
) STRICT;
CREATE INDEX expenses_by_department ON expenses (department, spent_on);
INSERT INTO departments (id, budget_cents) VALUES ('engineering', 50000000), ('marketing', 20000000), ('office', 4500000);
INSERT INTO expenses (department, spent_on, purpose, cents) VALUES
  ('engineering', '2026-01-12', 'Build machines', 18450000),
  ('engineering', '2026-02-03', 'Compilers & </script> tools', 1299950),
  ('engineering', '2026-03-21', 'Conference "Sandboxes"', 742500),
  ('marketing', '2026-01-05', 'Posters', 310000),
  ('marketing', '2026-02-17', 'Fair in Nürnberg', 21480000),
  ('office', '2026-01-31', 'Rent', 1200000),
  ('office', '2026-02-28', 'Rent', 1200000),
  ('office', '2026-03-09', 'Chairs <ergonomic>', 386745);
