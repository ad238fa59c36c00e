-- Shared by all shards: the first one's run makes it, the others' find it.
CREATE TABLE IF NOT EXISTS public.routing (tenant_id text PRIMARY KEY, shard text NOT NULL);
