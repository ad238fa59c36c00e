SELECT ns.nspname::text,
       encode(sha256(convert_to(coalesce(string_agg(t.line, E'\n' ORDER BY t.line COLLATE "C"), ''), 'UTF8')), 'hex'),
       count(t.line)
  FROM ns LEFT JOIN t ON t.ns = ns.oid GROUP BY 1
