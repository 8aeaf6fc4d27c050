-- Times are milliseconds since the epoch. Ids that people see are AUTOINCREMENT: never used twice, so that an old
-- line of the audit trail or an old auth key cannot come to mean something new.

CREATE TABLE installation (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    id TEXT NOT NULL
);

CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL UNIQUE,
    platform_admin BOOLEAN NOT NULL DEFAULT FALSE,
    created_at INTEGER NOT NULL
);

-- A removed key is a deleted row: every row is a key that opens.
CREATE TABLE device_keys (
    fingerprint TEXT PRIMARY KEY NOT NULL,
    user_id INTEGER NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    public_key TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
);
CREATE INDEX device_keys_of_user ON device_keys (user_id);

CREATE TABLE spaces (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id INTEGER NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    desired TEXT NOT NULL CHECK (desired IN ('running', 'stopped', 'deleted')),
    observed TEXT NOT NULL CHECK (observed IN ('absent', 'running', 'stopped', 'missing', 'failed')),
    image TEXT NOT NULL,
    cpu_millis INTEGER NOT NULL,
    memory_mib INTEGER NOT NULL,
    pids INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (owner_id, name)
);

-- People let into a Space. Its owner is not among them.
CREATE TABLE members (
    space_id INTEGER NOT NULL REFERENCES spaces (id),
    user_id INTEGER NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (space_id, user_id)
);
CREATE INDEX spaces_of_member ON members (user_id);

-- With a space_id it lets its holder into that Space as a member; without one it gives an account of one's own.
-- space_id does not reference spaces: a used key outlives its Space as history.
CREATE TABLE auth_keys (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL,
    space_id INTEGER,
    hash BLOB NOT NULL UNIQUE,
    issued_by INTEGER REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    revoked_at INTEGER,
    CHECK (used_at IS NULL OR revoked_at IS NULL)
);

CREATE TABLE access_requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    email TEXT NOT NULL,
    reason TEXT NOT NULL,
    from_address TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    decision TEXT CHECK (decision IN ('approved', 'denied')),
    decided_by INTEGER REFERENCES users (id),
    decided_at INTEGER,
    CHECK ((decision IS NULL) = (decided_at IS NULL) AND (decision IS NULL) = (decided_by IS NULL))
);
CREATE UNIQUE INDEX one_open_request ON access_requests (email) WHERE decided_at IS NULL;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT,
    key_fingerprint TEXT,
    from_address TEXT,
    action TEXT NOT NULL,
    target TEXT,
    outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused', 'failed')),
    detail TEXT
);
