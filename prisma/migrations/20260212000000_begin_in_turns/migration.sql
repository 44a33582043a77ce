-- All scheduled pushes up to here have begun; NULL: none has. Each chunk goes on above it and reads nothing twice.
-- In a transaction without the indexes that follow: it locks the table for more than they do, and must not wait while
-- they hold theirs.
ALTER TABLE "operations" ADD COLUMN "begun_through" UUID;
