-- The lines of schemas: kind, object, facts, separated by U+001F. $1: schemas, $2: the application's role or ''.
-- Everything by name and relative to its own schema: no OIDs, owners or comments.
WITH ns AS MATERIALIZED (
  SELECT n.oid, n.nspname,
         '(?<![[:alnum:]_".])' || regexp_replace(quote_ident(n.nspname), '([^[:alnum:]_"])', '\\\1', 'g') || '\.' AS own
    FROM pg_namespace n WHERE n.nspname = ANY ($1::text[])
),
rel AS MATERIALIZED (
  -- What a migration runner keeps its book in is no part of a schema.
  SELECT c.*, ns.own FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
   WHERE c.relname::text <> ALL ('{_sqlx_migrations,__diesel_schema_migrations,schema_migrations,goose_db_version,goose_db_version_id_seq,gorp_migrations,refinery_schema_history,schema_version,flyway_schema_history,databasechangelog,databasechangeloglock,atlas_schema_revisions}'::text[])
),
l (ns, kind, object, facts) AS (
  SELECT c.relnamespace, 'relation', c.relname::text, concat_ws(E'\x1f',
         'kind=' || CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
                    WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table'
                    WHEN 'c' THEN 'composite type' ELSE c.relkind::text END,
         'persistence=' || c.relpersistence::text,
         'row security=' || CASE WHEN c.relrowsecurity THEN 'on' ELSE 'off' END,
         'row security of the owner=' || CASE WHEN c.relforcerowsecurity THEN 'on' ELSE 'off' END,
         'replica identity=' || c.relreplident::text,
         'options=' || array_to_string(c.reloptions, ','),
         'partitioned by=' || CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
         'partition bound=' || regexp_replace(pg_get_expr(c.relpartbound, c.oid), c.own, '', 'g'),
         'parent=' || (SELECT string_agg(regexp_replace(i.inhparent::regclass::text, c.own, '', 'g'), ',' ORDER BY i.inhseqno)
                         FROM pg_inherits i WHERE i.inhrelid = c.oid))
    FROM rel c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
  UNION ALL
  SELECT c.relnamespace, 'column', c.relname || '.' || a.attname, concat_ws(E'\x1f',
         'type=' || regexp_replace(format_type(a.atttypid, a.atttypmod), c.own, '', 'g'),
         'null=' || CASE WHEN a.attnotnull THEN 'refused' ELSE 'allowed' END,
         'identity=' || nullif(a.attidentity::text, ''),
         'generated=' || nullif(a.attgenerated::text, ''),
         'default=' || regexp_replace(pg_get_expr(d.adbin, d.adrelid), c.own, '', 'g'),
         'collation=' || CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
         'grants=' || CASE WHEN a.attacl IS NOT NULL AND $2::text <> '' THEN
            (SELECT string_agg(p, ',') FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) p
              WHERE has_column_privilege($2::text::name, c.oid, a.attnum, p)) END)
    FROM rel c JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
  UNION ALL
  SELECT c.relnamespace, 'columns', c.relname::text,
         'order=' || string_agg(a.attname, ',' ORDER BY a.attnum)
    FROM rel c JOIN pg_attribute a ON a.attrelid = c.oid
   WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c')
   GROUP BY c.oid, c.relnamespace, c.relname
  UNION ALL
  SELECT c.relnamespace, 'constraint', c.relname || '.' || k.conname, concat_ws(E'\x1f',
         'definition=' || regexp_replace(pg_get_constraintdef(k.oid), c.own, '', 'g'),
         'validated=' || CASE WHEN k.convalidated THEN 'yes' ELSE 'no' END)
    FROM pg_constraint k JOIN rel c ON c.oid = k.conrelid
  UNION ALL
  SELECT k.connamespace, 'constraint', t.typname || '.' || k.conname,
         'definition=' || regexp_replace(pg_get_constraintdef(k.oid), ns.own, '', 'g')
    FROM pg_constraint k JOIN ns ON ns.oid = k.connamespace JOIN pg_type t ON t.oid = k.contypid WHERE k.conrelid = 0
  UNION ALL
  SELECT c.relnamespace, 'index', x.relname::text, concat_ws(E'\x1f',
         'definition=' || regexp_replace(pg_get_indexdef(i.indexrelid), c.own, '', 'g'),
         'valid=' || CASE WHEN i.indisvalid THEN 'yes' ELSE 'no' END)
    FROM pg_index i JOIN rel c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
  UNION ALL
  SELECT c.relnamespace, 'view', c.relname::text, 'definition=' || regexp_replace(pg_get_viewdef(c.oid), c.own, '', 'g')
    FROM rel c WHERE c.relkind IN ('v', 'm')
  UNION ALL
  SELECT c.relnamespace, 'rule', c.relname || '.' || r.rulename, concat_ws(E'\x1f',
         'definition=' || regexp_replace(pg_get_ruledef(r.oid), c.own, '', 'g'), 'enabled=' || r.ev_enabled::text)
    FROM pg_rewrite r JOIN rel c ON c.oid = r.ev_class WHERE r.rulename <> '_RETURN'
  UNION ALL
  SELECT p.pronamespace, 'function', p.proname || '(' || regexp_replace(pg_get_function_identity_arguments(p.oid), ns.own, '', 'g') || ')',
         concat_ws(E'\x1f',
         'returns=' || regexp_replace(pg_get_function_result(p.oid), ns.own, '', 'g'),
         'kind=' || p.prokind::text, 'language=' || g.lanname, 'volatility=' || p.provolatile::text, 'strict=' || p.proisstrict::text,
         'rights=' || CASE WHEN p.prosecdef THEN 'the owner''s' ELSE 'the caller''s' END,
         'settings=' || regexp_replace(array_to_string(p.proconfig, ','), '(^|[=, ])' || replace(ns.own, '(?<![[:alnum:]_".])', '') || '?(?=$|,)', '\1', 'g'),
         'body=' || md5(regexp_replace(coalesce(pg_get_function_sqlbody(p.oid), p.prosrc), ns.own, '', 'g')))
    FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace JOIN pg_language g ON g.oid = p.prolang
  UNION ALL
  SELECT c.relnamespace, 'trigger', c.relname || '.' || t.tgname, concat_ws(E'\x1f',
         'definition=' || regexp_replace(pg_get_triggerdef(t.oid), c.own, '', 'g'), 'enabled=' || t.tgenabled::text)
    FROM pg_trigger t JOIN rel c ON c.oid = t.tgrelid WHERE NOT t.tgisinternal
  UNION ALL
  SELECT t.typnamespace, 'enum', t.typname::text, 'labels=' || string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
    FROM pg_type t JOIN ns ON ns.oid = t.typnamespace JOIN pg_enum e ON e.enumtypid = t.oid
   GROUP BY t.typnamespace, t.typname
  UNION ALL
  SELECT t.typnamespace, 'domain', t.typname::text, concat_ws(E'\x1f',
         'type=' || regexp_replace(format_type(t.typbasetype, t.typtypmod), ns.own, '', 'g'),
         'null=' || CASE WHEN t.typnotnull THEN 'refused' ELSE 'allowed' END,
         'default=' || regexp_replace(t.typdefault, ns.own, '', 'g'))
    FROM pg_type t JOIN ns ON ns.oid = t.typnamespace WHERE t.typtype = 'd'
  UNION ALL
  SELECT c.relnamespace, 'sequence', c.relname::text, concat_ws(E'\x1f',
         'type=' || format_type(s.seqtypid, NULL), 'start=' || s.seqstart::text, 'increment=' || s.seqincrement::text,
         'minimum=' || s.seqmin::text, 'maximum=' || s.seqmax::text, 'cache=' || s.seqcache::text, 'cycle=' || s.seqcycle::text)
    FROM pg_sequence s JOIN rel c ON c.oid = s.seqrelid
  UNION ALL
  SELECT c.relnamespace, 'policy', c.relname || '.' || p.polname, concat_ws(E'\x1f',
         'command=' || p.polcmd::text, 'permissive=' || p.polpermissive::text,
         'roles=' || (SELECT string_agg(CASE r WHEN 0 THEN 'public' ELSE pg_get_userbyid(r)::text END, ',' ORDER BY 1)
                        FROM unnest(p.polroles) r),
         'using=' || regexp_replace(pg_get_expr(p.polqual, p.polrelid), c.own, '', 'g'),
         'check=' || regexp_replace(pg_get_expr(p.polwithcheck, p.polrelid), c.own, '', 'g'))
    FROM pg_policy p JOIN rel c ON c.oid = p.polrelid
  UNION ALL
  SELECT s.stxnamespace, 'statistics', s.stxname::text,
         'definition=' || regexp_replace(pg_get_statisticsobjdef(s.oid), ns.own, '', 'g')
    FROM pg_statistic_ext s JOIN ns ON ns.oid = s.stxnamespace
  UNION ALL
  SELECT ns.oid, 'grants', 'the schema', 'of the role=' ||
         (SELECT string_agg(p, ',') FROM unnest(ARRAY['USAGE', 'CREATE']) p WHERE has_schema_privilege($2::text::name, ns.oid, p))
    FROM ns WHERE $2::text <> ''
  UNION ALL
  SELECT c.relnamespace, 'grants', c.relname::text, 'of the role=' ||
         (SELECT string_agg(p, ',') FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p
           WHERE has_table_privilege($2::text::name, c.oid, p))
    FROM rel c WHERE $2::text <> '' AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  UNION ALL
  SELECT c.relnamespace, 'grants', c.relname::text, 'of the role=' ||
         (SELECT string_agg(p, ',') FROM unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) p
           WHERE has_sequence_privilege($2::text::name, c.oid, p))
    FROM rel c WHERE $2::text <> '' AND c.relkind = 'S'
  UNION ALL
  SELECT p.pronamespace, 'grants',
         p.proname || '(' || regexp_replace(pg_get_function_identity_arguments(p.oid), ns.own, '', 'g') || ')', 'of the role=' ||
         CASE WHEN has_function_privilege($2::text::name, p.oid, 'EXECUTE') THEN 'EXECUTE' END
    FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace WHERE $2::text <> ''
),
t (ns, line) AS (SELECT ns, concat_ws(E'\x1f', kind, object, facts) FROM l)
