-- What a Space has used. Counters of the kernel begin anew with each machine and each network: `*_from` names the one
-- that `*_seen` was read of, so that what is added up here never runs backwards.
CREATE TABLE usage (
    space_id INTEGER PRIMARY KEY REFERENCES spaces (id),
    month TEXT NOT NULL,
    egress_bytes INTEGER NOT NULL,
    egress_from TEXT NOT NULL,
    egress_seen INTEGER NOT NULL,
    cpu_micros INTEGER NOT NULL,
    cpu_from TEXT NOT NULL,
    cpu_seen INTEGER NOT NULL,
    disk_bytes INTEGER,
    llm_tokens INTEGER NOT NULL DEFAULT 0
);

-- What Spaces sent and used before there was this table is nobody's to count: their first reading is where counting begins.
INSERT INTO usage (space_id, month, egress_bytes, egress_from, egress_seen, cpu_micros, cpu_from, cpu_seen)
SELECT id, '', 0, 'baseline', 0, 0, 'baseline', 0 FROM spaces;
