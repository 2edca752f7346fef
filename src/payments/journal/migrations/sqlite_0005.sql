-- What was paid on a day: a payment keeps when Kaspi's last word about it was heard.
CREATE INDEX payments_paid ON payments (bin, status_at) WHERE state = 'paid' OR late = 1;
