-- Scheduled pushes begin in turns by account, small operations (as a lane has them) beside large ones: an account's next
-- one of either kind, however many others are due.
CREATE INDEX "operations_due_small_idx" ON "operations" ("account_id", "scheduled_for")
    WHERE "scheduled" > 0 AND "total" - "unaddressable" <= 100;
CREATE INDEX "operations_due_bulk_idx" ON "operations" ("account_id", "scheduled_for")
    WHERE "scheduled" > 0 AND "total" - "unaddressable" > 100;

-- All scheduled pushes up to here have begun; NULL: none has. Each chunk goes on above it and reads nothing twice.
ALTER TABLE "operations" ADD COLUMN "begun_through" UUID;
