-- A day's partition of push_notifications goes, or is made smaller, in three short steps, each a transaction
-- of its own, so that nobody waits for the long one between:
--
--   start_push_rewrite    makes a fresh table and a trigger that notes what changes from then on
--   copy_push_rewrite     copies the rows that must stay: long, and no lock that anybody waits for
--   finish_push_rewrite   copies again what changed meanwhile and puts the fresh table in the old one's place;
--                         with nothing in it, nothing is put there
--
-- Any of them may be cut short by a crash: the next caller goes on with the row in push_rewrites.
DROP FUNCTION "drop_ended_push_partition"(INTEGER);

-- The rewrite under way: one at a time.
CREATE TABLE "push_rewrites" (
    "partition" TEXT NOT NULL,
    "horizon" TIMESTAMPTZ(3) NOT NULL,
    "copied" BOOLEAN NOT NULL DEFAULT false,
    CONSTRAINT "push_rewrites_pkey" PRIMARY KEY ("partition")
);

-- What changed in its partition. A row each time, never ON CONFLICT DO NOTHING: that would pass by a row that is
-- being taken at this moment, and the change with it.
CREATE TABLE "push_rewrite_changes" (
    "seq" BIGINT GENERATED ALWAYS AS IDENTITY,
    "push_id" UUID NOT NULL,
    CONSTRAINT "push_rewrite_changes_pkey" PRIMARY KEY ("seq")
);

CREATE FUNCTION "note_push_change"() RETURNS TRIGGER
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    AS $$
    BEGIN
        INSERT INTO push_rewrite_changes (push_id) VALUES (coalesce(NEW.id, OLD.id));
        RETURN NULL;
    END
    $$;

-- Chooses the oldest partition that holds a push which ended more than `retention_days` before today (UTC), or
-- nothing at all, and says its name; the one under way before any other. Whole days, so that a partition is
-- rewritten once a day at most, however many of its pushes end from hour to hour.
-- NULL when there is none, when somebody else is at it, or when a lock is not to be had within 100 ms.
CREATE FUNCTION "start_push_rewrite"("retention_days" INTEGER) RETURNS TEXT
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '100ms'
    AS $$
    DECLARE
        name TEXT;
        day TIMESTAMPTZ;
        horizon TIMESTAMPTZ := (date_trunc('day', now() AT TIME ZONE 'UTC') - make_interval(days => retention_days))
            AT TIME ZONE 'UTC';
        wanted BOOLEAN;
    BEGIN
        IF retention_days < 1 THEN
            RAISE EXCEPTION 'retention_days must be at least 1';
        END IF;
        IF NOT pg_try_advisory_xact_lock(hashtext('fanfare:rewrite-partitions')) THEN
            RETURN NULL;
        END IF;
        SELECT "partition" INTO name FROM push_rewrites;
        IF FOUND THEN
            RETURN name;
        END IF;
        FOR name IN
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'push_notifications'::regclass
              AND c.relname < 'push_notifications_' || to_char(horizon AT TIME ZONE 'UTC', 'YYYYMMDD')
            ORDER BY c.relname
        LOOP
            EXECUTE format(
                'SELECT EXISTS (SELECT FROM %1$I WHERE settled_at <= $1) OR NOT EXISTS (SELECT FROM %1$I)', name)
                INTO wanted USING horizon;
            CONTINUE WHEN NOT wanted;
            day := to_date(right(name, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC';
            EXECUTE format(
                'CREATE TABLE %I (LIKE push_notifications INCLUDING ALL) WITH (fillfactor = 50)', name || '_kept');
            -- With it, ATTACH knows the bounds without a look at the rows.
            EXECUTE format('ALTER TABLE %I ADD CONSTRAINT day CHECK (id >= %L AND id < %L)',
                name || '_kept', lowest_id_at(day), lowest_id_at(day + interval '1 day'));
            -- Waits for whoever has written here and not committed; whoever comes later is noted.
            EXECUTE format('CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON %I
                FOR EACH ROW EXECUTE FUNCTION note_push_change()', name);
            DELETE FROM push_rewrite_changes;
            INSERT INTO push_rewrites ("partition", "horizon") VALUES (name, horizon);
            RETURN name;
        END LOOP;
        RETURN NULL;
    EXCEPTION WHEN lock_not_available THEN
        RETURN NULL;
    END
    $$;

-- Copies what must stay, once. True when the copy is there; false when somebody else is at it.
CREATE FUNCTION "copy_push_rewrite"() RETURNS BOOLEAN
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    AS $$
    DECLARE
        rewrite push_rewrites;
    BEGIN
        IF NOT pg_try_advisory_xact_lock(hashtext('fanfare:rewrite-partitions')) THEN
            RETURN false;
        END IF;
        SELECT * INTO rewrite FROM push_rewrites;
        IF rewrite.copied IS NOT false THEN
            RETURN rewrite.copied IS true;
        END IF;
        EXECUTE format('INSERT INTO %I SELECT * FROM %I WHERE settled_at IS NULL OR settled_at > $1',
            rewrite.partition || '_kept', rewrite.partition) USING rewrite.horizon;
        EXECUTE format('ANALYZE %I', rewrite.partition || '_kept');
        UPDATE push_rewrites SET copied = true;
        RETURN true;
    END
    $$;

-- Copies again what was noted, and forgets the notes, 50,000 at once. Says how many pushes they were.
CREATE FUNCTION "apply_push_changes"("rewrite" push_rewrites) RETURNS INTEGER
    LANGUAGE plpgsql SET search_path = public, pg_temp
    AS $$
    DECLARE
        ids UUID[];
    BEGIN
        -- A statement of its own: the rows are read after it, so at least as new as these notes.
        WITH taken AS (
            DELETE FROM push_rewrite_changes
            WHERE seq IN (SELECT seq FROM push_rewrite_changes ORDER BY seq LIMIT 50000) RETURNING push_id
        )
            SELECT array_agg(DISTINCT push_id) INTO ids FROM taken;
        IF ids IS NULL THEN
            RETURN 0;
        END IF;
        EXECUTE format('DELETE FROM %I WHERE id = ANY($1)', rewrite.partition || '_kept') USING ids;
        EXECUTE format(
            'INSERT INTO %I SELECT * FROM %I WHERE id = ANY($1) AND (settled_at IS NULL OR settled_at > $2)',
            rewrite.partition || '_kept', rewrite.partition) USING ids, rewrite.horizon;
        RETURN cardinality(ids);
    END
    $$;

-- The exchange. While it holds the whole table it copies the few rows that changed since its own first look and
-- changes the catalog. True when it is done; false when more changed than that, when somebody else is at it, or
-- when the lock is not to be had within 100 ms: whoever came after us in the queue for it goes on then.
CREATE FUNCTION "finish_push_rewrite"() RETURNS BOOLEAN
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '100ms'
    AS $$
    DECLARE
        rewrite push_rewrites;
        day TIMESTAMPTZ;
        kept BOOLEAN;
    BEGIN
        IF NOT pg_try_advisory_xact_lock(hashtext('fanfare:rewrite-partitions')) THEN
            RETURN false;
        END IF;
        SELECT * INTO rewrite FROM push_rewrites WHERE copied;
        IF NOT FOUND OR apply_push_changes(rewrite) > 1000 THEN
            RETURN false;
        END IF;
        BEGIN
            -- In the order of everybody else: the table, then the partition.
            LOCK TABLE ONLY push_notifications IN ACCESS EXCLUSIVE MODE;
            EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', rewrite.partition);
        EXCEPTION WHEN lock_not_available THEN
            RETURN false; -- what was applied stays applied
        END;
        WHILE apply_push_changes(rewrite) > 0 LOOP
        END LOOP;
        EXECUTE format('DROP TABLE %I', rewrite.partition);
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', rewrite.partition || '_kept') INTO kept;
        IF kept THEN
            day := to_date(right(rewrite.partition, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC';
            EXECUTE format('ALTER TABLE %I RENAME TO %I', rewrite.partition || '_kept', rewrite.partition);
            EXECUTE format('ALTER TABLE push_notifications ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                rewrite.partition, lowest_id_at(day), lowest_id_at(day + interval '1 day'));
            EXECUTE format('ALTER TABLE %I DROP CONSTRAINT day', rewrite.partition);
        ELSE
            EXECUTE format('DROP TABLE %I', rewrite.partition || '_kept');
        END IF;
        DELETE FROM push_rewrites;
        RETURN true;
    END
    $$;

REVOKE ALL ON FUNCTION "start_push_rewrite"(INTEGER), "copy_push_rewrite"(), "apply_push_changes"(push_rewrites),
    "finish_push_rewrite"(), "note_push_change"() FROM PUBLIC;
