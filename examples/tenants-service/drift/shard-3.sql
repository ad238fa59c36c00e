-- What happened to shard-3 one night: the column became seconds since 1970, there alone.
ALTER TABLE "shard-3".users ALTER COLUMN created_at DROP DEFAULT;
ALTER TABLE "shard-3".users ALTER COLUMN created_at TYPE bigint USING extract(epoch FROM created_at)::bigint;
ALTER TABLE "shard-3".users ALTER COLUMN created_at SET DEFAULT extract(epoch FROM now())::bigint;
