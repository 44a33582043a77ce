-- No QUEUED push of it comes to the end of its time before; NULL: nobody has looked. Until then the sweep reads none of them.
ALTER TABLE "operations" ADD COLUMN "nothing_over_until" TIMESTAMPTZ(3);
