-- Looking for a push that may go was one transaction through all partitions that are old enough: where all must stay, such
-- as millions that are scheduled for next month, it read them from end to end each round, and again after each rewrite, and
-- kept VACUUM from all that died meanwhile. Now a transaction looks at the next rows in the order of their ids, and its
-- caller goes on above them.
DROP FUNCTION "start_push_rewrite"(INTEGER);

-- Looks at the next `max_rows` rows above `after` (NULL: from the first on) of the oldest partition that has room for them.
-- When one of them ended more than `retention_days` before today (UTC), or the partition is empty, begins to rewrite
-- it and says its `name`; that of the one under way before any other. Whole days, so that a partition is rewritten once a day
-- at most, however many of its pushes end from hour to hour. `looked_through` is where the next call goes on.
-- Both are NULL when there is no more to look at, when somebody else is at it, or when a lock is not to be had within 100 ms.
CREATE FUNCTION "start_push_rewrite"("retention_days" INTEGER, "after" UUID, "max_rows" INTEGER,
    OUT "name" TEXT, OUT "looked_through" UUID)
    -- Whatever it takes the partition for: its rows are read by their key, and no more of them than wanted.
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '100ms' SET enable_seqscan = off
    AS $$
    DECLARE
        day TIMESTAMPTZ;
        -- Above all ids of that day.
        above UUID;
        horizon TIMESTAMPTZ := (date_trunc('day', now() AT TIME ZONE 'UTC') - make_interval(days => retention_days))
            AT TIME ZONE 'UTC';
        looked INTEGER;
        last UUID;
        wanted BOOLEAN;
    BEGIN
        IF retention_days < 1 OR max_rows < 1 THEN
            RAISE EXCEPTION 'retention_days and max_rows must be at least 1';
        END IF;
        IF NOT pg_try_advisory_xact_lock(hashtext('fanfare:rewrite-partitions')) THEN
            RETURN;
        END IF;
        SELECT "partition" INTO name FROM push_rewrites;
        IF FOUND THEN
            looked_through := after;
            RETURN;
        END IF;
        FOR name IN
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'push_notifications'::regclass
              AND c.relname < 'push_notifications_' || to_char(horizon AT TIME ZONE 'UTC', 'YYYYMMDD')
            ORDER BY c.relname
        LOOP
            day := to_date(right(name, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC';
            above := lowest_id_at(day + interval '1 day');
            EXIT WHEN after IS NULL OR after < above;
            name := NULL;
        END LOOP;
        IF name IS NULL THEN
            RETURN;
        END IF;
        EXECUTE format('SELECT count(*), coalesce(bool_or(settled_at <= $1), false), (array_agg(id ORDER BY id DESC))[1]
            FROM (SELECT id, settled_at FROM %I WHERE id > $2 ORDER BY id LIMIT $3) next', name)
            INTO looked, wanted, last
            USING horizon, coalesce(after, '00000000-0000-0000-0000-000000000000'), max_rows;
        IF looked = 0 THEN
            EXECUTE format('SELECT NOT EXISTS (SELECT FROM %I)', name) INTO wanted;
        END IF;
        looked_through := CASE WHEN looked = max_rows AND NOT wanted THEN last ELSE above END;
        IF NOT wanted THEN
            name := NULL;
            RETURN;
        END IF;
        EXECUTE format(
            'CREATE TABLE %I (LIKE push_notifications INCLUDING ALL) WITH (fillfactor = 50)', name || '_kept');
        -- With it, ATTACH knows the bounds without a look at the rows.
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT day CHECK (id >= %L AND id < %L)',
            name || '_kept', lowest_id_at(day), above);
        -- Waits for whoever has written here and not committed; whoever comes later is noted.
        EXECUTE format('CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON %I
            FOR EACH ROW EXECUTE FUNCTION note_push_change()', name);
        DELETE FROM push_rewrite_changes;
        INSERT INTO push_rewrites ("partition", "horizon") VALUES (name, horizon);
    EXCEPTION WHEN lock_not_available THEN
        name := NULL;
        looked_through := NULL;
    END
    $$;

REVOKE ALL ON FUNCTION "start_push_rewrite"(INTEGER, UUID, INTEGER) FROM PUBLIC;
