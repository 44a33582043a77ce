-- What a push's timeline knows beside its attempts. In no index: a settlement that writes them is as HOT
-- as before.
ALTER TABLE "push_notifications"
    ADD COLUMN "dispatched_at" TIMESTAMPTZ(3),
    ADD COLUMN "redriven_at" TIMESTAMPTZ(3);
