-- Whether the engine has been told of a Space's limits since they were set.
ALTER TABLE spaces ADD COLUMN limits TEXT NOT NULL DEFAULT 'bind' CHECK (limits IN ('bind', 'due'));
