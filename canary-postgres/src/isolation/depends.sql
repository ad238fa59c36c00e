-- What in one of the schemas $1 depends on something in another of them, as the server itself keeps book.
WITH ns AS MATERIALIZED (SELECT oid, nspname FROM pg_namespace WHERE nspname = ANY ($1::text[])),
o (classid, objid, ns, what) AS MATERIALIZED (
  SELECT 'pg_class'::regclass::oid, c.oid, c.relnamespace,
         CASE c.relkind WHEN 'S' THEN 'sequence ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' WHEN 'i' THEN 'index '
              ELSE 'table ' END || c.relname
    FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
  UNION ALL
  SELECT 'pg_constraint'::regclass::oid, k.oid, k.connamespace,
         CASE k.contype WHEN 'f' THEN 'foreign key ' ELSE 'constraint ' END || coalesce(c.relname || '.', '') || k.conname
    FROM pg_constraint k JOIN ns ON ns.oid = k.connamespace LEFT JOIN pg_class c ON c.oid = k.conrelid
  UNION ALL
  SELECT 'pg_rewrite'::regclass::oid, r.oid, c.relnamespace,
         CASE r.rulename WHEN '_RETURN' THEN 'view ' || c.relname ELSE 'rule ' || c.relname || '.' || r.rulename END
    FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN ns ON ns.oid = c.relnamespace
  UNION ALL
  SELECT 'pg_trigger'::regclass::oid, t.oid, c.relnamespace, 'trigger ' || c.relname || '.' || t.tgname
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN ns ON ns.oid = c.relnamespace WHERE NOT t.tgisinternal
  UNION ALL
  SELECT 'pg_attrdef'::regclass::oid, d.oid, c.relnamespace, 'default of ' || c.relname || '.' || a.attname
    FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid JOIN ns ON ns.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
  UNION ALL
  SELECT 'pg_policy'::regclass::oid, p.oid, c.relnamespace, 'policy ' || c.relname || '.' || p.polname
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN ns ON ns.oid = c.relnamespace
  UNION ALL
  SELECT 'pg_proc'::regclass::oid, p.oid, p.pronamespace, 'function ' || p.proname
    FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace
  UNION ALL
  SELECT 'pg_type'::regclass::oid, t.oid, t.typnamespace, 'type ' || t.typname
    FROM pg_type t JOIN ns ON ns.oid = t.typnamespace
)
SELECT a.what, na.nspname::text, (array_agg(b.what ORDER BY b.what DESC))[1], nb.nspname::text
  FROM pg_depend d
  JOIN o a ON a.classid = d.classid AND a.objid = d.objid
  JOIN o b ON b.classid = d.refclassid AND b.objid = d.refobjid
  JOIN ns na ON na.oid = a.ns JOIN ns nb ON nb.oid = b.ns
 WHERE a.ns <> b.ns
 GROUP BY 1, 2, 4 ORDER BY 2, 1, 4 LIMIT 1000
