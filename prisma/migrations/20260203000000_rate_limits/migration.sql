-- What callers used up in this second, for all api processes where there is no Redis. Lost in a crash without harm,
-- hence unlogged; no index but the key, so that counting is a HOT update. The form is rate-limiter-flexible's.
CREATE UNLOGGED TABLE "rate_limits" (
    "key" VARCHAR(255) NOT NULL,
    "points" INTEGER NOT NULL DEFAULT 0,
    "expire" BIGINT,
    CONSTRAINT "rate_limits_pkey" PRIMARY KEY ("key")
) WITH (fillfactor = 50);
