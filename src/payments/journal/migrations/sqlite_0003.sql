-- Who is told of events, and how far: every event of its BIN up to `position` has its delivery, or is not wanted.
CREATE TABLE webhook_endpoints (
    id       TEXT   NOT NULL PRIMARY KEY,
    bin      TEXT   NOT NULL,
    name     TEXT   NOT NULL,
    position BIGINT NOT NULL,
    since    BIGINT NOT NULL
);

-- One event at one endpoint. `tries` counts since the beginning, or since it was last sent again by hand.
CREATE TABLE webhook_deliveries (
    seq             INTEGER PRIMARY KEY AUTOINCREMENT,
    id              TEXT   NOT NULL UNIQUE,
    bin             TEXT   NOT NULL,
    endpoint        TEXT   NOT NULL,
    event           BIGINT NOT NULL,
    kind            TEXT   NOT NULL,
    payment_id      BIGINT,
    state           TEXT   NOT NULL,
    attempts        BIGINT NOT NULL,
    tries           BIGINT NOT NULL,
    created_at      BIGINT NOT NULL,
    first_at        BIGINT,
    next_at         BIGINT NOT NULL,
    settled_at      BIGINT,
    last_failure    TEXT,
    last_failure_at BIGINT,
    owner           TEXT,
    taken_at        BIGINT,
    UNIQUE (bin, endpoint, event)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (bin, endpoint, next_at) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_order ON webhook_deliveries (bin, endpoint, payment_id, event) WHERE state = 'waiting';
CREATE INDEX webhook_deliveries_owner ON webhook_deliveries (owner) WHERE owner IS NOT NULL;

-- Every attempt. What was sent and what was answered is not kept.
CREATE TABLE webhook_attempts (
    delivery    BIGINT NOT NULL,
    attempt     BIGINT NOT NULL,
    at          BIGINT NOT NULL,
    status      BIGINT,
    failure     TEXT,
    duration_us BIGINT NOT NULL,
    PRIMARY KEY (delivery, attempt)
);
