-- An App gets an id: lists go by it, and registrations belong to this life of the App, so that one made
-- again under the same name does not inherit them. Ids of Apps that exist carry their creation too.
ALTER TABLE "apps" ADD COLUMN "id" UUID;
UPDATE "apps" SET "id" =
    (left("lowest_id_at"("created_at")::text, 14) || '7' || substr(gen_random_uuid()::text, 16))::uuid;
ALTER TABLE "apps" ALTER COLUMN "id" SET NOT NULL, DROP COLUMN "created_at";
CREATE UNIQUE INDEX "apps_account_id_id_key" ON "apps" ("account_id", "id");

-- Deleted credentials stay as rows for ever: what lists and limits read must not grow with them.
DROP INDEX "credentials_account_id_id_idx";
CREATE INDEX "credentials_live_idx" ON "credentials" ("account_id", "id") WHERE "deleted_at" IS NULL;

-- No index on "id" alone where a list goes by it: the planner would read that backwards, through
-- everything that other accounts added since.
CREATE TABLE "users" (
    "id" UUID NOT NULL,
    "account_id" UUID NOT NULL,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "deleted_at" TIMESTAMPTZ(3),
    CONSTRAINT "users_pkey" PRIMARY KEY ("account_id", "id")
);

-- A user's devices in an App.
CREATE TABLE "device_registrations" (
    "id" UUID NOT NULL,
    "account_id" UUID NOT NULL,
    "app_id" UUID NOT NULL,
    "user_id" UUID NOT NULL,
    CONSTRAINT "device_registrations_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "device_registrations_account_id_user_id_app_id_key"
    ON "device_registrations" ("account_id", "user_id", "app_id");
CREATE INDEX "device_registrations_account_id_app_id_idx" ON "device_registrations" ("account_id", "app_id");

-- A token is up to 4,096 characters, more than an index takes: its SHA-256 stands for it.
-- registered_at is in no index, so that registering again is a HOT update.
CREATE TABLE "devices" (
    "id" UUID NOT NULL,
    "account_id" UUID NOT NULL,
    "app_id" UUID NOT NULL,
    "registration_id" UUID NOT NULL,
    "provider" "provider_kind" NOT NULL,
    "token" TEXT NOT NULL,
    "token_hash" BYTEA NOT NULL,
    "registered_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "devices_pkey" PRIMARY KEY ("id"),
    CONSTRAINT "devices_registration_id_fkey" FOREIGN KEY ("registration_id")
        REFERENCES "device_registrations" ("id") ON DELETE CASCADE
) WITH (fillfactor = 80);
CREATE UNIQUE INDEX "devices_account_id_app_id_provider_token_hash_key"
    ON "devices" ("account_id", "app_id", "provider", "token_hash");
CREATE INDEX "devices_registration_id_idx" ON "devices" ("registration_id");

-- Apps that were deleted and whose registrations the sweep has yet to remove. Nobody can see those:
-- every reader comes by way of the App.
CREATE TABLE "deleted_apps" (
    "id" UUID NOT NULL,
    "account_id" UUID NOT NULL,
    CONSTRAINT "deleted_apps_pkey" PRIMARY KEY ("id")
);

CREATE TYPE "api_key_scope" AS ENUM ('send', 'read', 'manage');

CREATE TABLE "api_keys" (
    "id" UUID NOT NULL,
    "account_id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "scopes" "api_key_scope"[] NOT NULL,
    "secret_hash" BYTEA NOT NULL,
    CONSTRAINT "api_keys_pkey" PRIMARY KEY ("account_id", "id")
);
-- Authentication knows the key alone; a hash has no order that a list could be read in.
CREATE INDEX "api_keys_id_idx" ON "api_keys" USING hash ("id");
