ALTER TABLE "operations"
    ADD COLUMN "badge" INTEGER,
    ADD COLUMN "overrides" JSONB,
    ADD COLUMN "tags" JSONB,
    ADD COLUMN "rewound" BOOLEAN NOT NULL DEFAULT false;

-- Settlements do not change `scheduled`, so the counters' updates stay HOT.
CREATE INDEX "operations_due_idx" ON "operations" ("scheduled_for") WHERE "scheduled" > 0;

ALTER TABLE "push_notifications"
    ADD COLUMN "tags" JSONB,
    ADD COLUMN "user_id" UUID;

-- Each holds only the few rows that its readers ask for; new partitions get them from here. One index for
-- all that failed, not one more for each code: every partial index costs each accepted row a look.
CREATE INDEX "push_notifications_failed_idx"
    ON "push_notifications" ("account_id", "id") WHERE "error_code" IS NOT NULL;
CREATE INDEX "push_notifications_user_id_idx"
    ON "push_notifications" ("account_id", "user_id", "id") WHERE "user_id" IS NOT NULL;

CREATE TABLE "idempotency_keys" (
    "account_id" UUID NOT NULL,
    "key" TEXT NOT NULL,
    "fingerprint" BYTEA NOT NULL,
    "resource_id" UUID NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY ("account_id", "key")
);
CREATE INDEX "idempotency_keys_created_at_idx" ON "idempotency_keys" ("created_at");
