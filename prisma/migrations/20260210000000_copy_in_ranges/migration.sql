-- Copying what must stay of a large partition was one transaction of minutes, which kept VACUUM from all that
-- died meanwhile, everywhere. Now it goes in ranges of ids, each a transaction of its own with its mark; whoever calls
-- next, after a crash too, goes on above it. What changes meanwhile is noted, on both sides of the mark alike: it is
-- copied again when all is there, and not before, since a row above the mark would be copied twice.
ALTER TABLE "push_rewrites" ADD COLUMN "copied_through" UUID;

DROP FUNCTION "copy_push_rewrite"();

-- Copies what must stay of the next `max_rows` rows. 'done' when the whole copy is there, 'more' when it is not,
-- 'busy' when somebody else is at it or there is nothing to copy.
CREATE FUNCTION "copy_push_rewrite"("max_rows" INTEGER) RETURNS TEXT
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    AS $$
    DECLARE
        rewrite push_rewrites;
        after UUID;
        through UUID;
    BEGIN
        IF max_rows < 1 THEN
            RAISE EXCEPTION 'max_rows must be at least 1';
        END IF;
        IF NOT pg_try_advisory_xact_lock(hashtext('fanfare:rewrite-partitions')) THEN
            RETURN 'busy';
        END IF;
        SELECT * INTO rewrite FROM push_rewrites;
        IF rewrite.copied IS NOT false THEN
            RETURN CASE WHEN rewrite.copied THEN 'done' ELSE 'busy' END;
        END IF;
        after := coalesce(rewrite.copied_through, '00000000-0000-0000-0000-000000000000');
        EXECUTE format('SELECT id FROM %I WHERE id > $1 ORDER BY id OFFSET $2 LIMIT 1', rewrite.partition)
            INTO through USING after, max_rows - 1;
        -- The last range has no end: what is added above it, after that look, is in the copy or noted.
        EXECUTE format('INSERT INTO %I SELECT * FROM %I
            WHERE id > $1 AND id <= $2 AND (settled_at IS NULL OR settled_at > $3)',
            rewrite.partition || '_kept', rewrite.partition)
            USING after, coalesce(through, 'ffffffff-ffff-ffff-ffff-ffffffffffff'), rewrite.horizon;
        IF through IS NULL THEN
            EXECUTE format('ANALYZE %I', rewrite.partition || '_kept');
        END IF;
        UPDATE push_rewrites SET copied = through IS NULL, copied_through = coalesce(through, copied_through);
        RETURN CASE WHEN through IS NULL THEN 'done' ELSE 'more' END;
    END
    $$;

REVOKE ALL ON FUNCTION "copy_push_rewrite"(INTEGER) FROM PUBLIC;
