-- Which of the names $2 the server can name an error's constraint by in each of the schemas $1.
WITH ns AS MATERIALIZED (SELECT oid, nspname FROM pg_catalog.pg_namespace WHERE nspname = ANY ($1::text[]))
SELECT ns.nspname::text, k.conname::text
  FROM pg_catalog.pg_constraint k JOIN ns ON ns.oid = k.connamespace WHERE k.conname = ANY ($2::text[])
UNION
SELECT ns.nspname::text, c.relname::text
  FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN ns ON ns.oid = c.relnamespace
 WHERE i.indisunique AND c.relname = ANY ($2::text[])
UNION
SELECT ns.nspname::text, w.name
  FROM unnest($2::text[]) AS w (name), pg_catalog.pg_proc p JOIN ns ON ns.oid = p.pronamespace
 WHERE pg_catalog.strpos(p.prosrc, w.name) > 0
