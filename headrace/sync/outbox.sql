-- The transactional outbox: what a service tells is written in the transaction of what it did.
-- Run once by whoever owns the service's tables; running it again changes nothing.
CREATE TABLE IF NOT EXISTS outbox (
    id          text PRIMARY KEY,                 -- the event's id, by which repeats are dropped
    topic       text NOT NULL,
    key         text NOT NULL,
    payload     bytea NOT NULL,                   -- the record's value: framed Avro, checked
    written_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS outbox_written_at ON outbox (written_at);
-- Inserts only: rows that are deleted once they are old are nobody's news.
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'headrace_outbox') THEN
        CREATE PUBLICATION headrace_outbox FOR TABLE outbox WITH (publish = 'insert');
    END IF;
END $$;
