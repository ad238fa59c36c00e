-- The hash of each schema, and that of the same lines without the role's grants.
SELECT ns.nspname::text,
       encode(sha256(convert_to(coalesce(string_agg(t.line, E'\n' ORDER BY t.line COLLATE "C"), ''), 'UTF8')), 'hex'),
       encode(sha256(convert_to(coalesce(string_agg(
         CASE WHEN t.line LIKE E'column\x1f%' THEN regexp_replace(t.line, E'\x1fgrants=[^\x1f]*', '') ELSE t.line END,
         E'\n' ORDER BY t.line COLLATE "C") FILTER (WHERE t.line NOT LIKE E'grants\x1f%'), ''), 'UTF8')), 'hex')
  FROM ns LEFT JOIN t ON t.ns = ns.oid GROUP BY 1
