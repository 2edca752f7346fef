-- What happened, for whoever wants to be told. Append only. Written in the transaction of the change itself.
CREATE TABLE events (
    position   INTEGER PRIMARY KEY AUTOINCREMENT,
    at         BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    bin        TEXT   NOT NULL,
    payment_id BIGINT,
    operation  TEXT,
    -- What is to be told once, however many processes see it.
    once       TEXT   UNIQUE,
    facts      TEXT   NOT NULL
);
CREATE INDEX events_bin ON events (bin, position);
CREATE INDEX events_payment ON events (payment_id, position) WHERE payment_id IS NOT NULL;
CREATE TRIGGER events_stay BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events is append only'); END;
CREATE TRIGGER events_are_kept BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events is append only'); END;
