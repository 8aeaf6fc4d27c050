-- What is written together with others comes a moment after what was not.
CREATE INDEX audit_by_time ON audit (at, id);
