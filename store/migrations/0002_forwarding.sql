-- Whether people may forward into and out of a Space, as its admin set it.
ALTER TABLE spaces ADD COLUMN forwarding TEXT NOT NULL DEFAULT 'allow' CHECK (forwarding IN ('allow', 'deny'));
