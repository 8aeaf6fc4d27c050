-- 0 is no limit.
ALTER TABLE spaces ADD COLUMN disk_mb INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spaces ADD COLUMN egress_mb INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spaces ADD COLUMN egress_mbit INTEGER NOT NULL DEFAULT 0;
ALTER TABLE spaces ADD COLUMN llm_tokens INTEGER NOT NULL DEFAULT 0;

-- The limits that held last, while others are due: what a refusal falls back to.
ALTER TABLE spaces ADD COLUMN held_cpu_millis INTEGER;
ALTER TABLE spaces ADD COLUMN held_memory_mib INTEGER;
ALTER TABLE spaces ADD COLUMN held_pids INTEGER;
ALTER TABLE spaces ADD COLUMN held_disk_mb INTEGER;
ALTER TABLE spaces ADD COLUMN held_egress_mb INTEGER;
ALTER TABLE spaces ADD COLUMN held_egress_mbit INTEGER;
ALTER TABLE spaces ADD COLUMN held_llm_tokens INTEGER;

-- What all Spaces of one person may use together, where that is not what the configuration says. 0 is no ceiling.
CREATE TABLE ceilings (
    user_id INTEGER PRIMARY KEY REFERENCES users (id),
    spaces INTEGER,
    cpu_millis INTEGER,
    memory_mib INTEGER,
    disk_mb INTEGER,
    egress_mb INTEGER
);
