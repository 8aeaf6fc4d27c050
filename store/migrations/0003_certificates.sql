-- Certificates that this platform signed. Each stands on the device key that issued it, and falls with that key.
-- The digest is of the whole certificate: a serial with other contents is none of ours.

CREATE TABLE certificates (
    serial INTEGER PRIMARY KEY NOT NULL,
    user_id INTEGER NOT NULL REFERENCES users (id),
    issued_by TEXT NOT NULL,
    subject TEXT NOT NULL,
    digest BLOB NOT NULL,
    space_id INTEGER,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
);
CREATE INDEX certificates_of_user ON certificates (user_id, expires_at);
CREATE INDEX certificates_by_key ON certificates (issued_by);
CREATE INDEX certificates_for_key ON certificates (subject);
