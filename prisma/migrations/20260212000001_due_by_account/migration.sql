-- Scheduled pushes begin in turns by account, small operations (as a lane has them) beside large ones: an account's next
-- one of either kind, however many others are due. Accepting waits while they are built.
CREATE INDEX "operations_due_small_idx" ON "operations" ("account_id", "scheduled_for")
    WHERE "scheduled" > 0 AND "total" - "unaddressable" <= 100;
CREATE INDEX "operations_due_bulk_idx" ON "operations" ("account_id", "scheduled_for")
    WHERE "scheduled" > 0 AND "total" - "unaddressable" > 100;
