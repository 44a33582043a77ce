-- A pause is in force while "paused_until" is set, also after that instant: it ends by a transaction of its own.
ALTER TABLE "credential_windows"
    ADD COLUMN "paused_by" UUID,
    ADD COLUMN "pause_reason" TEXT,
    ADD COLUMN "pauses" INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN "window_changed_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    ADD COLUMN "handed_over_at" TIMESTAMPTZ(3),
    ADD COLUMN "warning" TEXT,
    ADD COLUMN "warned_at" TIMESTAMPTZ(3);

-- Every claim asks it which credentials are paused: none, mostly. Of the row only the begin and the end of a pause
-- touch an indexed column, so the counts' updates stay HOT.
CREATE INDEX "credential_windows_paused_idx" ON "credential_windows" ("credential_id") WHERE "paused_until" IS NOT NULL;

-- Worker processes that were alive a moment ago: what all of them together can have in hand.
CREATE TABLE "workers" (
    "id" UUID NOT NULL,
    "slots" INTEGER NOT NULL,
    "seen_at" TIMESTAMPTZ(3) NOT NULL,
    CONSTRAINT "workers_pkey" PRIMARY KEY ("id")
) WITH (fillfactor = 50);
