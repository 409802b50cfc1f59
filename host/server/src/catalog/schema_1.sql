-- Times are Unix time in microseconds, JSON is text.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tenants (
    tenant TEXT PRIMARY KEY,
    is_enabled INTEGER NOT NULL DEFAULT 1,
    quotas TEXT NOT NULL,
    created_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The files are packages/DIGEST.belljar, written before their row.
CREATE TABLE packages (
    digest TEXT PRIMARY KEY,
    applet TEXT NOT NULL,
    version TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    added_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE applets (
    tenant TEXT NOT NULL REFERENCES tenants (tenant),
    applet TEXT NOT NULL,
    -- NULL before the first release, and after uninstalling.
    active_release INTEGER,
    is_enabled INTEGER NOT NULL DEFAULT 1,
    -- When it was uninstalled: its data is kept for a while.
    uninstalled_us INTEGER,
    -- Numbers are not used again, whatever is collected.
    releases_made INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (tenant, applet),
    FOREIGN KEY (tenant, applet, active_release) REFERENCES releases (tenant, applet, number) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

CREATE TABLE releases (
    tenant TEXT NOT NULL,
    applet TEXT NOT NULL,
    number INTEGER NOT NULL,
    digest TEXT NOT NULL REFERENCES packages (digest),
    version TEXT NOT NULL,
    grants TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    PRIMARY KEY (tenant, applet, number),
    FOREIGN KEY (tenant, applet) REFERENCES applets (tenant, applet) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX releases_by_digest ON releases (digest);

-- Releases are immutable.
CREATE TRIGGER releases_are_immutable BEFORE UPDATE ON releases BEGIN
    SELECT RAISE(ABORT, 'releases are immutable');
END;

-- A package that asks for more than was decided, until somebody decides.
CREATE TABLE pending (
    tenant TEXT NOT NULL,
    applet TEXT NOT NULL,
    digest TEXT NOT NULL REFERENCES packages (digest),
    asked_us INTEGER NOT NULL,
    asked_by TEXT NOT NULL,
    PRIMARY KEY (tenant, applet),
    FOREIGN KEY (tenant, applet) REFERENCES applets (tenant, applet) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_by_digest ON pending (digest);

CREATE TABLE config (
    tenant TEXT NOT NULL,
    applet TEXT NOT NULL,
    "values" TEXT NOT NULL,
    updated_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, applet),
    FOREIGN KEY (tenant, applet) REFERENCES applets (tenant, applet) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
    tenant TEXT NOT NULL,
    applet TEXT NOT NULL,
    name TEXT NOT NULL,
    -- Which key it is encrypted with.
    key_id TEXT NOT NULL,
    -- XChaCha20-Poly1305: 24 bytes of nonce, then ciphertext and tag.
    sealed BLOB NOT NULL,
    updated_us INTEGER NOT NULL,
    PRIMARY KEY (tenant, applet, name),
    FOREIGN KEY (tenant, applet) REFERENCES applets (tenant, applet) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE INDEX secrets_by_key ON secrets (key_id);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    -- BLAKE3 of the secret part.
    hash BLOB NOT NULL,
    tenant TEXT NOT NULL REFERENCES tenants (tenant) ON DELETE CASCADE,
    label TEXT NOT NULL,
    user TEXT NOT NULL,
    organisation TEXT,
    permissions TEXT NOT NULL,
    locale TEXT,
    created_us INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    expires_us INTEGER,
    revoked_us INTEGER,
    last_used_us INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX api_keys_by_tenant ON api_keys (tenant);

CREATE TABLE hosts (
    name TEXT PRIMARY KEY,
    tenant TEXT NOT NULL REFERENCES tenants (tenant) ON DELETE CASCADE,
    applet TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us INTEGER NOT NULL,
    by TEXT NOT NULL,
    action TEXT NOT NULL,
    tenant TEXT,
    applet TEXT,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_by_tenant ON audit (tenant, id);
