-- "claim" tells the claim that took the lease last from others, for the worker that never got its answer: a random
-- number. In no index and never NULL, so that a claim stays a HOT update and its row does not grow.
ALTER TABLE "push_notifications" ADD COLUMN "claim" INTEGER NOT NULL DEFAULT 0;

-- A cancel has come: what was in flight then and would come back is canceled.
ALTER TABLE "operations" ADD COLUMN "cancel_wanted" BOOLEAN NOT NULL DEFAULT false;

-- A rewrite under way copies into a table without the new columns: it begins anew.
DO $$
DECLARE
    name TEXT;
BEGIN
    FOR name IN DELETE FROM push_rewrites RETURNING "partition" LOOP
        EXECUTE format('DROP TRIGGER IF EXISTS note_change ON %I', name);
        EXECUTE format('DROP TABLE IF EXISTS %I', name || '_kept');
    END LOOP;
    DELETE FROM push_rewrite_changes;
END
$$;
