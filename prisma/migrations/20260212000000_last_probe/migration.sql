-- A probe that was refused took the place of the push that had caused the pause, so that one could be chosen for the
-- probe after. Both are kept now.
ALTER TABLE "credential_windows" ADD COLUMN "last_probe" UUID;
