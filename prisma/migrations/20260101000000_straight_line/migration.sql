CREATE TYPE "credential_type" AS ENUM ('FCM', 'APN', 'APN_SANDBOX');
CREATE TYPE "provider_kind" AS ENUM ('FCM', 'APN');
CREATE TYPE "priority" AS ENUM ('HIGH', 'LOW');
CREATE TYPE "push_status" AS ENUM ('SCHEDULED', 'QUEUED', 'SENT', 'FAILED', 'CANCELED');
CREATE TYPE "operation_status" AS ENUM ('SCHEDULED', 'PROCESSING', 'COMPLETED', 'CANCELED');
CREATE TYPE "lane" AS ENUM ('small', 'bulk');

CREATE TABLE "accounts" (
    "id" UUID NOT NULL,
    "auth_token_hash" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "accounts_pkey" PRIMARY KEY ("id")
);

CREATE TABLE "apps" (
    "account_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "is_default" BOOLEAN NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "apps_pkey" PRIMARY KEY ("account_id", "name")
);
CREATE UNIQUE INDEX "apps_one_default_key" ON "apps" ("account_id") WHERE "is_default";

CREATE TABLE "credentials" (
    "id" UUID NOT NULL,
    "account_id" UUID NOT NULL,
    "app_name" TEXT NOT NULL,
    "credential_type" "credential_type" NOT NULL,
    "is_default" BOOLEAN NOT NULL,
    "sealed" BYTEA NOT NULL,
    "version" INTEGER NOT NULL DEFAULT 1,
    "fingerprint" TEXT NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deleted_at" TIMESTAMPTZ(3),
    CONSTRAINT "credentials_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "credentials_account_id_id_idx" ON "credentials" ("account_id", "id");
CREATE UNIQUE INDEX "credentials_one_default_key"
    ON "credentials" ("account_id", "app_name", "credential_type")
    WHERE "is_default" AND "deleted_at" IS NULL;

CREATE TABLE "credential_windows" (
    "credential_id" UUID NOT NULL,
    "account_id" UUID NOT NULL,
    "window" INTEGER NOT NULL,
    "outstanding" INTEGER NOT NULL DEFAULT 0,
    "paused_until" TIMESTAMPTZ(3),
    "probe" UUID,
    CONSTRAINT "credential_windows_pkey" PRIMARY KEY ("credential_id")
) WITH (fillfactor = 20);

-- The counters change with every settlement: no index holds them, so these updates stay HOT. The
-- status is generated from them and changes a few times in an operation's life.
CREATE TABLE "operations" (
    "id" UUID NOT NULL,
    "account_id" UUID NOT NULL,
    "content" JSONB NOT NULL,
    "priority" "priority" NOT NULL,
    "sound" TEXT,
    "ttl_seconds" INTEGER NOT NULL,
    "collapse_key" TEXT,
    "scheduled_for" TIMESTAMPTZ(3),
    "recipients" INTEGER NOT NULL,
    "unaddressable_users" TEXT[] NOT NULL,
    "total" INTEGER NOT NULL,
    "unaddressable" INTEGER NOT NULL,
    "scheduled" INTEGER NOT NULL,
    "queued" INTEGER NOT NULL,
    "sent" INTEGER NOT NULL DEFAULT 0,
    "failed" INTEGER NOT NULL DEFAULT 0,
    "canceled" INTEGER NOT NULL DEFAULT 0,
    "status" "operation_status" GENERATED ALWAYS AS (
        CASE
            WHEN "scheduled" > 0 AND "queued" + "sent" + "failed" = 0 THEN 'SCHEDULED'::"operation_status"
            WHEN "scheduled" + "queued" > 0 THEN 'PROCESSING'::"operation_status"
            WHEN "total" > "unaddressable" AND "canceled" = "total" - "unaddressable" THEN 'CANCELED'::"operation_status"
            ELSE 'COMPLETED'::"operation_status"
        END
    ) STORED,
    "last_push_id" UUID NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "completed_at" TIMESTAMPTZ(3),
    CONSTRAINT "operations_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "operations_counters_check" CHECK (
        "scheduled" + "queued" + "sent" + "failed" + "canceled" + "unaddressable" = "total"
    )
) WITH (fillfactor = 70);
CREATE INDEX "operations_account_id_id_idx" ON "operations" ("account_id", "id");
CREATE INDEX "operations_account_id_status_id_idx" ON "operations" ("account_id", "status", "id");
CREATE INDEX "operations_processing_idx" ON "operations" ("id") WHERE "status" = 'PROCESSING';

CREATE TABLE "operation_parts" (
    "operation_id" UUID NOT NULL,
    "provider" "provider_kind" NOT NULL,
    "account_id" UUID NOT NULL,
    "credential_id" UUID NOT NULL,
    "lane" "lane" NOT NULL,
    "dispatched_through" UUID,
    "pending" BOOLEAN NOT NULL,
    "open" BOOLEAN NOT NULL DEFAULT false,
    "dispatched_at" TIMESTAMPTZ(3),
    CONSTRAINT "operation_parts_pkey" PRIMARY KEY ("operation_id", "provider")
) WITH (fillfactor = 70);
-- Dispatch walks its (account, credential) pairs by a loose scan, however many operations wait.
CREATE INDEX "operation_parts_pending_idx"
    ON "operation_parts" ("lane", "account_id", "credential_id", "operation_id") WHERE "pending";
CREATE INDEX "operation_parts_open_idx" ON "operation_parts" ("credential_id", "operation_id") WHERE "open";

CREATE TABLE "dispatch_turns" (
    "account_id" UUID NOT NULL,
    "lane" "lane" NOT NULL,
    "last_turn_at" TIMESTAMPTZ(3) NOT NULL DEFAULT '-infinity',
    CONSTRAINT "dispatch_turns_pkey" PRIMARY KEY ("account_id", "lane")
) WITH (fillfactor = 50);

CREATE TABLE "apns_tokens" (
    "team_id" TEXT NOT NULL,
    "key_id" TEXT NOT NULL,
    "key_fingerprint" TEXT NOT NULL,
    "sealed" BYTEA NOT NULL,
    "signed_at" TIMESTAMPTZ(3) NOT NULL,
    CONSTRAINT "apns_tokens_pkey" PRIMARY KEY ("team_id", "key_id", "key_fingerprint")
);

CREATE TABLE "sweep_state" (
    "name" TEXT NOT NULL,
    "value" TEXT NOT NULL,
    CONSTRAINT "sweep_state_pkey" PRIMARY KEY ("name")
);

-- The one table that grows without end: a partition a day, found by the time inside the UUIDv7.
-- lease, lease_until and lease_lost are in no index, so that a claim is a HOT update; its partitions are
-- filled to the half, since a batch of claims writes a second version of every row of a page.
CREATE TABLE "push_notifications" (
    "id" UUID NOT NULL,
    "account_id" UUID NOT NULL,
    "operation_id" UUID NOT NULL,
    "provider" "provider_kind" NOT NULL,
    "credential_id" UUID NOT NULL,
    "token" TEXT NOT NULL,
    "variables" JSONB,
    "status" "push_status" NOT NULL,
    "due_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,
    "lease" INTEGER NOT NULL DEFAULT 0,
    "lease_until" TIMESTAMPTZ(3),
    "lease_lost" BOOLEAN NOT NULL DEFAULT false,
    "attempts" JSONB NOT NULL DEFAULT '[]',
    "attempt_count" INTEGER NOT NULL DEFAULT 0,
    "unknown_count" INTEGER NOT NULL DEFAULT 0,
    "first_attempt_at" TIMESTAMPTZ(3),
    "error_code" INTEGER,
    "error_message" TEXT,
    "provider_message_id" TEXT,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "settled_at" TIMESTAMPTZ(3),
    CONSTRAINT "push_notifications_pkey" PRIMARY KEY ("id")
) PARTITION BY RANGE ("id");
CREATE INDEX "push_notifications_account_id_id_idx" ON "push_notifications" ("account_id", "id");
CREATE INDEX "push_notifications_queued_idx"
    ON "push_notifications" ("operation_id", "provider", "id") WHERE "status" = 'QUEUED';

-- The smallest UUIDv7-shaped value of an instant.
CREATE FUNCTION "lowest_id_at"("instant" TIMESTAMPTZ) RETURNS UUID
    LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
    AS $$
        SELECT rpad(lpad(to_hex(floor(extract(epoch FROM "instant") * 1000)::bigint), 12, '0'), 32, '0')::uuid
    $$;

-- Makes the daily partitions from yesterday (clocks differ) to `days_ahead`. A table is made first and
-- attached then: ATTACH takes a lock that reads and writes pass, CREATE … PARTITION OF does not.
-- SECURITY DEFINER: the role that runs the service owns no table.
CREATE FUNCTION "ensure_push_partitions"("days_ahead" INTEGER) RETURNS INTEGER
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    AS $$
    DECLARE
        day TIMESTAMPTZ;
        partition TEXT;
        made INTEGER := 0;
    BEGIN
        PERFORM pg_advisory_xact_lock(hashtext('fanfare:partitions'));
        FOR i IN -1 .. days_ahead LOOP
            day := (date_trunc('day', now() AT TIME ZONE 'UTC') + make_interval(days => i)) AT TIME ZONE 'UTC';
            partition := 'push_notifications_' || to_char(day AT TIME ZONE 'UTC', 'YYYYMMDD');
            CONTINUE WHEN to_regclass('public.' || partition) IS NOT NULL;
            EXECUTE format(
                'CREATE TABLE %I (LIKE push_notifications INCLUDING ALL) WITH (fillfactor = 50)', partition);
            EXECUTE format(
                'ALTER TABLE push_notifications ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                partition, lowest_id_at(day), lowest_id_at(day + interval '1 day'));
            made := made + 1;
        END LOOP;
        RETURN made;
    END
    $$;

-- Drops the oldest partition in which every push ended more than `retention_days` ago, and says its name;
-- NULL when there is none, when somebody else is at it, or when a lock is not to be had within 100 ms: the
-- next pass tries again. One a call, so that the lock of the whole table, which DROP takes, ends at once.
CREATE FUNCTION "drop_ended_push_partition"("retention_days" INTEGER) RETURNS TEXT
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '100ms'
    AS $$
    DECLARE
        partition TEXT;
        horizon TIMESTAMPTZ := now() - make_interval(days => retention_days);
        needed BOOLEAN;
    BEGIN
        IF retention_days < 1 THEN
            RAISE EXCEPTION 'retention_days must be at least 1';
        END IF;
        IF NOT pg_try_advisory_xact_lock(hashtext('fanfare:drop-partitions')) THEN
            RETURN NULL;
        END IF;
        FOR partition IN
            SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
            WHERE i.inhparent = 'push_notifications'::regclass
              AND c.relname < 'push_notifications_' || to_char((horizon - interval '1 day') AT TIME ZONE 'UTC', 'YYYYMMDD')
            ORDER BY c.relname
        LOOP
            EXECUTE format(
                'SELECT EXISTS (SELECT FROM %I WHERE settled_at IS NULL OR settled_at > $1)', partition)
                INTO needed USING horizon;
            CONTINUE WHEN needed;
            -- A redrive may have come between: look again, by the index of the unfinished, when nobody
            -- else can write.
            EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', partition);
            EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE status = ''QUEUED'')', partition) INTO needed;
            CONTINUE WHEN needed;
            EXECUTE format('DROP TABLE %I', partition);
            RETURN partition;
        END LOOP;
        RETURN NULL;
    EXCEPTION WHEN lock_not_available THEN
        RETURN NULL;
    END
    $$;

REVOKE ALL ON FUNCTION "ensure_push_partitions"(INTEGER), "drop_ended_push_partition"(INTEGER) FROM PUBLIC;

SELECT "ensure_push_partitions"(7);
