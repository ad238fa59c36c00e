-- Functions of the schemas $1 whose text, or whose own search_path, names another of them. Text is all there is: such a body is not
-- parsed before it runs.
WITH ns AS MATERIALIZED (SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY ($1::text[])),
named AS (
  SELECT p.oid, p.proname, p.pronamespace, m[1] AS name
    FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace,
         LATERAL regexp_matches(p.prosrc, '("(?:[^"]|"")+"|[[:alpha:]_][[:alnum:]_$]*)[[:space:]]*\.', 'g') m
  UNION ALL
  SELECT p.oid, p.proname, p.pronamespace, btrim(s)
    FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace, unnest(p.proconfig) c,
         LATERAL unnest(string_to_array(substr(c, length('search_path=') + 1), ',')) s
   WHERE c LIKE 'search\_path=%'
)
SELECT DISTINCT n.proname::text, own.nspname::text, other.nspname::text
  FROM named n JOIN ns own ON own.oid = n.pronamespace
  JOIN ns other ON other.nspname = CASE WHEN n.name LIKE '"%' THEN replace(btrim(n.name, '"'), '""', '"') ELSE lower(n.name) END
 WHERE other.oid <> own.oid ORDER BY 2, 1, 3 LIMIT 1000
