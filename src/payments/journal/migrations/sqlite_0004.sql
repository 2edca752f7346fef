-- What people did on the admin page. Append only; each action has a line before it is done and one after.
CREATE TABLE trail (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      BIGINT NOT NULL,
    who     TEXT   NOT NULL,
    -- The organisation that it is about; none for what is about none.
    bin     TEXT,
    action  TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    outcome TEXT   NOT NULL
);
CREATE INDEX trail_bin ON trail (bin, id);
CREATE TRIGGER trail_stays BEFORE UPDATE ON trail BEGIN SELECT RAISE(ABORT, 'trail is append only'); END;
CREATE TRIGGER trail_is_kept BEFORE DELETE ON trail BEGIN SELECT RAISE(ABORT, 'trail is append only'); END;
