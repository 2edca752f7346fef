-- Times are microseconds since the Unix epoch, money is whole tiyn, flags are 0 and 1.

CREATE TABLE operations (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               TEXT   NOT NULL UNIQUE,
    lane             TEXT   NOT NULL,
    lane_no          BIGINT NOT NULL,
    kind             TEXT   NOT NULL,
    state            TEXT   NOT NULL,
    bin              TEXT   NOT NULL,
    trade_point      BIGINT,
    route            TEXT   NOT NULL,
    caller           TEXT   NOT NULL,
    key              TEXT,
    key_kind         TEXT,
    key_live         BIGINT NOT NULL,
    digest           TEXT   NOT NULL,
    amount           BIGINT,
    payment_id       BIGINT,
    phone            TEXT,
    answer           TEXT,
    failure          TEXT,
    owner            TEXT   NOT NULL,
    recorded_at      BIGINT NOT NULL,
    sent_at          BIGINT,
    settled_at       BIGINT,
    delivered_at     BIGINT,
    inferred         BIGINT NOT NULL,
    rest_before      BIGINT,
    checks           BIGINT NOT NULL,
    first_checked_at BIGINT,
    next_check_at    BIGINT,
    check_owner      TEXT,
    check_taken_at   BIGINT,
    steps            BIGINT NOT NULL,
    head             TEXT   NOT NULL,
    UNIQUE (lane, lane_no)
);
-- A given key names one operation for ever; a derived one while it is live.
CREATE UNIQUE INDEX operations_given ON operations (caller, kind, key) WHERE key_kind = 'given';
CREATE UNIQUE INDEX operations_derived ON operations (caller, kind, key, bin) WHERE key_kind = 'derived' AND key_live = 1;
CREATE INDEX operations_payment ON operations (payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX operations_open ON operations (state, owner) WHERE state IN ('recorded', 'sent', 'unknown');
CREATE INDEX operations_day ON operations (bin, recorded_at);

-- Append only: each step holds the hash of the one before.
CREATE TABLE history (
    operation  TEXT   NOT NULL,
    step       BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    from_state TEXT,
    to_state   TEXT   NOT NULL,
    who        TEXT   NOT NULL,
    why        TEXT   NOT NULL,
    facts      TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    PRIMARY KEY (operation, step)
) WITHOUT ROWID;
CREATE TRIGGER history_stays BEFORE UPDATE ON history BEGIN SELECT RAISE(ABORT, 'history is append only'); END;
CREATE TRIGGER history_is_kept BEFORE DELETE ON history BEGIN SELECT RAISE(ABORT, 'history is append only'); END;
CREATE TRIGGER operations_are_kept BEFORE DELETE ON operations BEGIN SELECT RAISE(ABORT, 'operations is append only'); END;

-- Operations are numbered without a gap in each lane, so that one that is taken out leaves a hole.
CREATE TABLE lanes (
    lane TEXT   NOT NULL PRIMARY KEY,
    last BIGINT NOT NULL
);

CREATE TABLE payments (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    payment_id    BIGINT NOT NULL UNIQUE,
    bin           TEXT   NOT NULL,
    trade_point   BIGINT,
    kind          TEXT   NOT NULL,
    amount        BIGINT,
    status        TEXT,
    status_at     BIGINT,
    state         TEXT   NOT NULL,
    source        TEXT   NOT NULL,
    operation     TEXT,
    created_at    BIGINT NOT NULL,
    expires_at    BIGINT,
    given_up_at   BIGINT,
    late          BIGINT NOT NULL,
    watch         TEXT,
    next_look_at  BIGINT,
    look_owner    TEXT,
    look_taken_at BIGINT
);
CREATE INDEX payments_due ON payments (next_look_at) WHERE next_look_at IS NOT NULL;
CREATE INDEX payments_day ON payments (bin, created_at);

-- One refund of a payment at a time, across processes.
CREATE TABLE refund_locks (
    payment_id BIGINT NOT NULL PRIMARY KEY,
    operation  TEXT   NOT NULL,
    owner      TEXT   NOT NULL,
    at         BIGINT NOT NULL
);
CREATE INDEX refund_locks_operation ON refund_locks (operation);

-- Processes that write. Each holds a lock that dies with it; its row goes when what it left is settled.
CREATE TABLE owners (
    id         TEXT   NOT NULL PRIMARY KEY,
    lock_key   BIGINT NOT NULL,
    host       TEXT   NOT NULL,
    pid        BIGINT NOT NULL,
    account    TEXT   NOT NULL,
    started_at BIGINT NOT NULL
);

-- An epoch begins with the journal, and anew each time an old copy is put back on purpose.
CREATE TABLE epochs (
    number     BIGINT NOT NULL PRIMARY KEY,
    epoch      TEXT   NOT NULL UNIQUE,
    at         BIGINT NOT NULL,
    who        TEXT   NOT NULL
);
