//! What statements lock, scan and rewrite, as the shadow run sees it.

use canary_postgres::shadow::LockMode::{
    AccessExclusive as AE, Exclusive, Share, ShareRowExclusive as SRE, ShareUpdateExclusive as SUE,
};
use canary_postgres::shadow::Work::{MetadataOnly as Free, Rewrites, Scans};
use canary_postgres::shadow::{Level, LockMode, Work};

use crate::shop::Shop;

/// One statement; what comes before it in the same file is another.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// What the schema has besides the shop.
    base: &'static str,
    before: &'static str,
    statement: &'static str,
    /// The table, its strongest lock in the whole file, and what the last statement does.
    table: &'static str,
    lock: Option<LockMode>,
    work: Work,
}

const fn case(name: &'static str, statement: &'static str, lock: LockMode, work: Work) -> Case {
    Case { name, base: "", before: "", statement, table: "public.orders", lock: Some(lock), work }
}

/// A materialized view that can be refreshed either way.
const VIEW: &str =
    "CREATE MATERIALIZED VIEW spent AS SELECT customer, sum(total) AS total FROM orders GROUP BY 1;
CREATE UNIQUE INDEX ON spent (customer);";

/// A partitioned table with one partition, and a table that may become another.
const PARTED: &str = "CREATE TABLE events (id integer, what text) PARTITION BY RANGE (id);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (1) TO (10);
CREATE TABLE events_2 (LIKE events);";

/// What cannot run in a transaction, after the marker that says so to sqlx.
const fn alone(
    base: &'static str,
    table: &'static str,
    name: &'static str,
    statement: &'static str,
    lock: LockMode,
    work: Work,
) -> Case {
    Case { before: OUTSIDE, ..on(base, table, name, statement, lock, work) }
}

/// The marker.
const OUTSIDE: &str = "-- no-transaction";

const INDEXED: &str = "CREATE INDEX orders_memo ON orders (memo);";

/// A statement on other tables than the shop's.
const fn on(
    base: &'static str,
    table: &'static str,
    name: &'static str,
    statement: &'static str,
    lock: LockMode,
    work: Work,
) -> Case {
    Case { name, base, before: "", statement, table, lock: Some(lock), work }
}

pub(crate) const CASES: &[Case] = &[
    case("ADD COLUMN", "ALTER TABLE orders ADD x int", AE, Free),
    case("ADD COLUMN with now()", "ALTER TABLE orders ADD x timestamptz DEFAULT now()", AE, Free),
    case(
        "ADD COLUMN with clock_timestamp()",
        "ALTER TABLE orders ADD x timestamptz DEFAULT clock_timestamp()",
        AE,
        Rewrites,
    ),
    case(
        "ADD COLUMN with gen_random_uuid()",
        "ALTER TABLE orders ADD x uuid DEFAULT gen_random_uuid()",
        AE,
        Rewrites,
    ),
    case("ADD COLUMN bigserial", "ALTER TABLE orders ADD x bigserial", AE, Rewrites),
    case(
        "ADD COLUMN STORED",
        "ALTER TABLE orders ADD x int GENERATED ALWAYS AS (customer + 1) STORED",
        AE,
        Rewrites,
    ),
    case("ADD COLUMN CHECK", "ALTER TABLE orders ADD x int CHECK (x > 0)", AE, Scans),
    case("ADD COLUMN UNIQUE", "ALTER TABLE orders ADD x int UNIQUE", AE, Scans),
    Case {
        table: "public.customers",
        ..case(
            "ADD COLUMN REFERENCES, on the parent",
            "ALTER TABLE orders ADD x int REFERENCES customers",
            SRE,
            Free,
        )
    },
    Case {
        table: "public.notes",
        ..case("int to bigint", "ALTER TABLE notes ALTER customer_id TYPE bigint", AE, Rewrites)
    },
    case("numeric precision up", "ALTER TABLE orders ALTER total TYPE numeric(14,2)", AE, Free),
    case("numeric scale", "ALTER TABLE orders ALTER total TYPE numeric(14,4)", AE, Rewrites),
    Case {
        table: "public.customers",
        ..case("varchar widened", "ALTER TABLE customers ALTER ref TYPE varchar(200)", AE, Free)
    },
    Case {
        table: "public.customers",
        ..case("varchar shortened", "ALTER TABLE customers ALTER ref TYPE varchar(20)", AE, Rewrites)
    },
    case("timestamp to timestamptz in UTC", "ALTER TABLE orders ALTER created TYPE timestamptz", AE, Free),
    Case {
        before: "SET timezone = 'Asia/Tokyo'",
        ..case(
            "timestamp to timestamptz elsewhere",
            "ALTER TABLE orders ALTER created TYPE timestamptz",
            AE,
            Rewrites,
        )
    },
    case("SET NOT NULL", "ALTER TABLE orders ALTER memo SET NOT NULL", AE, Scans),
    Case {
        before: "ALTER TABLE orders ADD CHECK (memo IS NOT NULL)",
        ..case("SET NOT NULL with a validated CHECK", "ALTER TABLE orders ALTER memo SET NOT NULL", AE, Free)
    },
    case("ADD CHECK", "ALTER TABLE orders ADD CHECK (total > 0)", AE, Scans),
    case("ADD CHECK NOT VALID", "ALTER TABLE orders ADD CHECK (total > 0) NOT VALID", AE, Free),
    Case {
        before: "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID",
        ..case("VALIDATE in the same transaction", "ALTER TABLE orders VALIDATE CONSTRAINT c", AE, Scans)
    },
    Case {
        table: "public.notes",
        ..case(
            "ADD FOREIGN KEY",
            "ALTER TABLE notes ADD FOREIGN KEY (customer_id) REFERENCES customers",
            SRE,
            Scans,
        )
    },
    Case {
        table: "public.notes",
        ..case(
            "ADD FOREIGN KEY NOT VALID",
            "ALTER TABLE notes ADD FOREIGN KEY (customer_id) REFERENCES customers NOT VALID",
            SRE,
            Free,
        )
    },
    case("ADD UNIQUE", "ALTER TABLE orders ADD UNIQUE (customer)", AE, Scans),
    Case {
        before: "CREATE UNIQUE INDEX u ON orders (customer)",
        ..case("ADD UNIQUE USING INDEX", "ALTER TABLE orders ADD UNIQUE USING INDEX u", AE, Free)
    },
    case("ADD EXCLUDE", "ALTER TABLE orders ADD EXCLUDE USING btree (customer WITH =)", AE, Scans),
    case("CREATE INDEX", "CREATE INDEX ON orders (memo)", Share, Scans),
    Case { before: "CREATE INDEX i ON orders (memo)", ..case("DROP INDEX", "DROP INDEX i", AE, Free) },
    case("DROP COLUMN", "ALTER TABLE orders DROP memo CASCADE", AE, Free),
    case("RENAME", "ALTER TABLE orders RENAME memo TO m", AE, Free),
    case("ENABLE ROW LEVEL SECURITY", "ALTER TABLE orders ENABLE ROW LEVEL SECURITY", AE, Free),
    case("CREATE RULE", "CREATE RULE r AS ON DELETE TO orders DO INSTEAD NOTHING", AE, Free),
    case("REPLICA IDENTITY", "ALTER TABLE orders REPLICA IDENTITY FULL", AE, Free),
    Case {
        before: "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
        ..case(
            "CREATE TRIGGER",
            "CREATE TRIGGER t BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f()",
            SRE,
            Free,
        )
    },
    case("DISABLE TRIGGER", "ALTER TABLE orders DISABLE TRIGGER USER", SRE, Free),
    case("SET (fillfactor)", "ALTER TABLE orders SET (fillfactor = 70)", SUE, Free),
    case("SET STATISTICS", "ALTER TABLE orders ALTER memo SET STATISTICS 100", SUE, Free),
    case("COMMENT", "COMMENT ON TABLE orders IS 'x'", SUE, Free),
    case("CREATE STATISTICS", "CREATE STATISTICS s ON customer, total FROM orders", SUE, Free),
    case("CLUSTER", "CLUSTER orders USING orders_pkey", AE, Rewrites),
    Case { table: "public.items", ..case("SET UNLOGGED", "ALTER TABLE items SET UNLOGGED", AE, Rewrites) },
    case("LOCK TABLE", "LOCK TABLE orders IN EXCLUSIVE MODE", Exclusive, Free),
    Case {
        table: "public.archive",
        before: "CREATE TABLE parted (LIKE archive) PARTITION BY RANGE (id)",
        ..case(
            "ATTACH PARTITION, on the partition",
            "ALTER TABLE parted ATTACH PARTITION archive FOR VALUES FROM (1) TO (9)",
            AE,
            Scans,
        )
    },
    on(VIEW, "public.spent", "REFRESH MATERIALIZED VIEW", "REFRESH MATERIALIZED VIEW spent", AE, Rewrites),
    on(
        VIEW,
        "public.spent",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY spent",
        Exclusive,
        Scans,
    ),
    on(
        PARTED,
        "public.events",
        "ATTACH PARTITION, on the parent",
        "ALTER TABLE events ATTACH PARTITION events_2 FOR VALUES FROM (10) TO (20)",
        SUE,
        Free,
    ),
    on(
        PARTED,
        "public.events",
        "CREATE TABLE … PARTITION OF, on the parent",
        "CREATE TABLE events_3 PARTITION OF events FOR VALUES FROM (20) TO (30)",
        AE,
        Free,
    ),
    on(
        PARTED,
        "public.events",
        "DETACH PARTITION, on the parent",
        "ALTER TABLE events DETACH PARTITION events_1",
        AE,
        Free,
    ),
    on(
        PARTED,
        "public.events_1",
        "DETACH PARTITION, on the partition",
        "ALTER TABLE events DETACH PARTITION events_1",
        AE,
        Free,
    ),
    alone(
        PARTED,
        "public.events",
        "DETACH PARTITION CONCURRENTLY, on the parent",
        "ALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY",
        SUE,
        Free,
    ),
    alone(
        PARTED,
        "public.events_1",
        "DETACH PARTITION CONCURRENTLY, on the partition",
        "ALTER TABLE events DETACH PARTITION events_1 CONCURRENTLY",
        AE,
        Free,
    ),
    alone(
        "",
        "public.orders",
        "CREATE INDEX CONCURRENTLY",
        "CREATE INDEX CONCURRENTLY ON orders (memo)",
        SUE,
        Scans,
    ),
    alone(
        INDEXED,
        "public.orders",
        "DROP INDEX CONCURRENTLY",
        "DROP INDEX CONCURRENTLY orders_memo",
        SUE,
        Free,
    ),
    alone(
        INDEXED,
        "public.orders",
        "REINDEX INDEX CONCURRENTLY",
        "REINDEX INDEX CONCURRENTLY orders_memo",
        SUE,
        Scans,
    ),
    alone(INDEXED, "public.orders", "REINDEX TABLE", "REINDEX TABLE orders", Share, Scans),
    alone("", "public.orders", "VACUUM", "VACUUM orders", SUE, Free),
    alone("", "public.orders", "VACUUM FULL", "VACUUM FULL orders", AE, Rewrites),
];

impl Case {
    pub(crate) async fn check(&self, shop: &Shop) -> Result<(), String> {
        let separator = match self.before {
            "" => "",
            OUTSIDE => "\n",
            _ => ";\n",
        };
        let change = format!("{}{separator}{}", self.before, self.statement);
        let report = shop.examine_on(self.base, &change).await?;
        if !report.doubts.is_empty() || report.breakages.iter().any(|broken| broken.level == Level::Apply) {
            return Err(format!("{:?} {:?}", report.doubts, report.breakages));
        }
        if let Some(unseen) = report.traces.iter().find(|trace| !trace.locks_seen) {
            return Err(format!("not every lock was seen: {unseen:#?}"));
        }
        let mine = |trace: &canary_postgres::shadow::Trace| {
            trace.locks.iter().filter(|lock| lock.table == self.table).map(|lock| lock.mode).max()
        };
        let strongest = report.traces.iter().filter_map(mine).max();
        let Some(last) = report.traces.last() else { return Err(format!("no trace: {report:#?}")) };
        let here = |tables: &[String]| tables.iter().any(|table| table == self.table);
        let work = if here(&last.rewritten) {
            Rewrites
        } else if here(&last.scanned) {
            Scans
        } else {
            Free
        };
        if (strongest, work) != (self.lock, self.work) {
            return Err(format!("should be {:?} and {}: {:#?}", self.lock, self.work, report.traces));
        }
        Ok(())
    }
}
