-- Of what is outstanding: pushes that wait for a retry of their own, as counted a moment ago. They keep no slot busy.
ALTER TABLE "credential_windows"
    ADD COLUMN "waiting" INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN "paused_at" TIMESTAMPTZ(3);

-- Settle asks the cursors themselves what dispatch had counted.
ALTER TABLE "operations" DROP COLUMN "rewound";
