-- After how many seconds without work a Space is stopped. 0 is never, NULL is as the platform's configuration says.
ALTER TABLE spaces ADD COLUMN idle_stop INTEGER;
-- Since when it is stopped for want of work: entering it starts it again, as it does not after a person's stop.
ALTER TABLE spaces ADD COLUMN asleep_at INTEGER;
-- Until when somebody in it wants it up though it does nothing, and what for.
ALTER TABLE spaces ADD COLUMN hold_until INTEGER;
ALTER TABLE spaces ADD COLUMN hold_reason TEXT;
