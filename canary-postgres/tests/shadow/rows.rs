//! Section by section, what a change does to connections from before and after it, and the level that sees it.

use canary_core::traits::Severity;
use canary_postgres::shadow::Level;
use canary_postgres::shadow::Level::{
    Catalog as L4, Describe as L2, Explain as L3, OldConnection as Old, Prepare as L1,
};

use crate::real;
use crate::shop::{Shop, place};

/// One change.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) change: &'static str,
    /// The query that is looked at; empty: every query goes on as before.
    pub(crate) query: &'static str,
    /// What it gets on the connection from before, and on a new one; empty: it works.
    pub(crate) codes: (&'static str, &'static str),
    /// The levels that refuse the change for that query; a warning is [`Row::warns`]' matter.
    pub(crate) levels: &'static [Level],
    /// The rule of a warning that the shadow gives, where it refuses nothing.
    pub(crate) warns: &'static str,
    /// Every query goes on, and reads or writes something else than before.
    pub(crate) other_data: bool,
}

const fn row(
    name: &'static str,
    change: &'static str,
    query: &'static str,
    codes: (&'static str, &'static str),
    levels: &'static [Level],
) -> Row {
    Row { name, change, query, codes, levels, warns: "", other_data: false }
}

const fn fine(name: &'static str, change: &'static str) -> Row {
    row(name, change, "", ("", ""), &[])
}

const fn both(code: &'static str) -> (&'static str, &'static str) {
    (code, code)
}

pub(crate) const ROWS: &[Row] = &[
    row("drop column in use", "ALTER TABLE customers DROP COLUMN name", "customer", both("42703"), &[L1]),
    fine("drop column nobody reads, no SELECT *", "ALTER TABLE orders DROP COLUMN created"),
    row("drop column under SELECT *", "ALTER TABLE customers DROP COLUMN nick", "star", ("0A000", ""), &[L2, Old]),
    row("drop column under INSERT without list", "ALTER TABLE items DROP COLUMN unused", "item", both("42601"), &[L1]),
    row("rename column", "ALTER TABLE customers RENAME name TO title", "customer", both("42703"), &[L1]),
    row("rename table", "ALTER TABLE customers RENAME TO clients", "customer", both("42P01"), &[L1]),
    row("drop table", "DROP TABLE items", "item", both("42P01"), &[L1]),
    row("move table", "ALTER TABLE items SET SCHEMA billing", "item", both("42P01"), &[L1]),
    row("drop view", "DROP VIEW open_orders", "view", both("42P01"), &[L1]),
    row("drop function", "DROP FUNCTION tax", "tax", both("42883"), &[L1]),
    row("drop sequence", "DROP SEQUENCE ticket", "ticket", both("42P01"), &[L1]),
    row("rename schema", "ALTER SCHEMA billing RENAME TO money", "bill", both("42P01"), &[L1]),
    row("integer to bigint", "ALTER TABLE customers ALTER id TYPE bigint", "customer", ("0A000", ""), &[L2, Old]),
    row("varchar(40) to varchar(200)", "ALTER TABLE customers ALTER ref TYPE varchar(200)", "customer", ("0A000", ""), &[Old]),
    row("varchar to text", "ALTER TABLE customers ALTER ref TYPE text", "customer", ("0A000", ""), &[L2, Old]),
    row("numeric(10,2) to (14,2)", "ALTER TABLE orders ALTER total TYPE numeric(14,2)", "join", ("0A000", ""), &[Old]),
    row(
        "text to json under DISTINCT",
        "ALTER TABLE customers ALTER note TYPE json USING note::json",
        "distinct",
        both("42883"),
        &[L1],
    ),
    row("add nullable column, table read with SELECT *", "ALTER TABLE customers ADD extra text", "star", ("0A000", ""), &[Old]),
    row(
        "add nullable column whose name exists in a joined table",
        "ALTER TABLE orders ADD name text",
        "join",
        both("42702"),
        &[L1],
    ),
    row(
        "add nullable column to the source of INSERT … SELECT *",
        "ALTER TABLE items ADD extra text",
        "archive",
        both("42601"),
        &[L1],
    ),
    fine("add nullable column, explicit lists only", "ALTER TABLE orders ADD extra text"),
    row(
        "new required column, old INSERT omits it",
        "ALTER TABLE orders ADD must text NOT NULL DEFAULT 'x'; ALTER TABLE orders ALTER must DROP DEFAULT",
        "order",
        both("23502"),
        &[L4],
    ),
    row(
        "SET NOT NULL",
        "UPDATE orders SET memo = ''; ALTER TABLE orders ALTER memo SET NOT NULL",
        "order",
        both("23502"),
        &[L4],
    ),
    row("DROP DEFAULT of a required column", "ALTER TABLE orders ALTER state DROP DEFAULT", "order", both("23502"), &[L4]),
    row("new CHECK NOT VALID", "ALTER TABLE orders ADD CHECK (total > 1000) NOT VALID", "order", both("23514"), &[L4]),
    row(
        "new FOREIGN KEY NOT VALID, old DELETE on the parent",
        "ALTER TABLE notes ADD FOREIGN KEY (customer_id) REFERENCES customers NOT VALID",
        "delete",
        both("23503"),
        &[L4],
    ),
    row("new UNIQUE", "ALTER TABLE orders ADD UNIQUE (customer)", "order", both("23505"), &[L4]),
    row(
        "drop the UNIQUE behind ON CONFLICT",
        "ALTER TABLE customers DROP CONSTRAINT customers_ref_key",
        "upsert",
        both("42P10"),
        &[L3],
    ),
    row(
        "drop the PRIMARY KEY behind a GROUP BY",
        "ALTER TABLE customers DROP CONSTRAINT customers_pkey CASCADE",
        "group",
        both("42803"),
        &[L1],
    ),
    row("identity to GENERATED ALWAYS", "ALTER TABLE orders ALTER id SET GENERATED ALWAYS", "order_id", both("428C9"), &[L1]),
    row(
        "rename enum value, given as a parameter",
        "ALTER TYPE mood RENAME VALUE 'paid' TO 'settled'",
        "order_id",
        both("22P02"),
        &[L2],
    ),
    row(
        "rename enum value, a literal",
        "ALTER TYPE mood RENAME VALUE 'new' TO 'fresh'",
        "state",
        ("", "22P02"),
        &[L1],
    ),
    Row { warns: "enum-add-value", ..fine("add enum value", "ALTER TYPE mood ADD VALUE 'lost'") },
    // sqlx looks the type up by its name.
    row("rename enum type", "ALTER TYPE mood RENAME TO temper", "state", ("", ""), &[L2]),
    row(
        "enum to text",
        "ALTER TABLE orders ALTER state DROP DEFAULT, ALTER state TYPE text USING state::text",
        "order",
        both("23502"),
        &[L4],
    ),
    row(
        "enum to text, read",
        "ALTER TABLE orders ALTER state DROP DEFAULT, ALTER state TYPE text USING state::text",
        "state",
        ("0A000", ""),
        &[L2, Old],
    ),
    row(
        "function with another result type",
        "DROP FUNCTION tax; CREATE FUNCTION tax(numeric, bigint) RETURNS float8 LANGUAGE sql IMMUTABLE AS 'SELECT 1.0::float8'",
        "tax",
        ("0A000", ""),
        &[L2, Old],
    ),
    row(
        "function overload that makes a call ambiguous",
        "CREATE FUNCTION tax(bigint, numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 * $2'",
        "tax",
        ("", "42725"),
        &[L1],
    ),
    row("REVOKE", "REVOKE SELECT ON customers FROM app", "customer", both("42501"), &[L3]),
    row("ENABLE ROW LEVEL SECURITY", "ALTER TABLE orders ENABLE ROW LEVEL SECURITY", "order", both("42501"), &[L4]),
    row(
        "trigger that raises",
        "CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
         CREATE TRIGGER no BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION no()",
        "order",
        both("P0001"),
        &[L4],
    ),
    row(
        "table replaced by a partitioned one",
        "ALTER TABLE archive RENAME TO archive_old; CREATE TABLE archive (LIKE archive_old) PARTITION BY RANGE (id);
         GRANT ALL ON archive TO app",
        "archive",
        both("23514"),
        &[L4],
    ),
    Row {
        other_data: true,
        ..row(
            "RULE … INSTEAD NOTHING",
            "CREATE RULE nothing AS ON INSERT TO archive DO INSTEAD NOTHING",
            "archive",
            ("", ""),
            &[L4],
        )
    },
    Row { warns: "set-default", other_data: true, ..fine("SET DEFAULT", "ALTER TABLE orders ALTER state SET DEFAULT 'sent'") },
    Row {
        other_data: true,
        ..fine(
            "column turned into a generated one that nobody writes",
            "ALTER TABLE orders DROP created; ALTER TABLE orders ADD created timestamp GENERATED ALWAYS AS ('2020-01-01'::timestamp) STORED",
        )
    },
    fine(
        "table renamed and a view put in its place",
        "ALTER TABLE items RENAME TO items_2; CREATE VIEW items AS SELECT * FROM items_2; GRANT ALL ON items TO app",
    ),
    fine(
        "table dropped and recreated alike",
        "DROP TABLE billing.bills; CREATE TABLE billing.bills (id integer PRIMARY KEY); GRANT ALL ON billing.bills TO app",
    ),
    fine("CREATE INDEX", "CREATE INDEX ON orders (customer)"),
    fine("new table", "CREATE TABLE fresh (id integer)"),
    fine("view with a column appended", "CREATE OR REPLACE VIEW open_orders AS SELECT id, customer, total FROM orders WHERE memo IS NULL"),
    fine("domain check that nobody writes", "ALTER DOMAIN kind ADD CHECK (VALUE <> '')"),
];

impl Row {
    /// Whether a level or a rule stops what breaks, and at least one of them tells of other data.
    pub(crate) fn is_caught(&self) -> bool {
        let (refuses, says) = self.read_refuses();
        if self.other_data {
            return says || !self.warns.is_empty() || !self.levels.is_empty();
        }
        self.query.is_empty() || refuses || !self.levels.is_empty()
    }

    pub(crate) async fn check(&self, shop: &Shop) -> Result<(), String> {
        let (old, new) = real::run(shop, self.change).await?;
        let code = |codes: &real::Codes| {
            let found = codes.iter().find(|(query, _)| *query == self.query);
            found.map_or_else(String::new, |(_, code)| code.clone())
        };
        if self.query.is_empty() && !(old.is_empty() && new.is_empty()) {
            return Err(format!("nothing should break; really: {old:?} and {new:?}"));
        }
        let really = (code(&old), code(&new));
        if (really.0.as_str(), really.1.as_str()) != self.codes {
            return Err(format!("{} should get {:?}; really: {really:?}", self.query, self.codes));
        }
        self.check_read(&shop.repository).await?;
        self.shadow(shop).await
    }

    async fn shadow(&self, shop: &Shop) -> Result<(), String> {
        let report = shop.examine(self.change).await?;
        if !report.doubts.is_empty() || report.judged != 17 {
            return Err(format!("{} judged, doubts: {:?}", report.judged, report.doubts));
        }
        let refusing = report.breakages.iter().filter(|breakage| breakage.severity == Severity::Refuse);
        if self.query.is_empty() {
            let refusing: Vec<_> = refusing.collect();
            let warned = report.breakages.iter().any(|breakage| breakage.rule == self.warns);
            let right = refusing.is_empty() && report.proves() && warned != self.warns.is_empty();
            return if right {
                Ok(())
            } else {
                Err(format!("should refuse nothing: {:#?}", report.breakages))
            };
        }
        let place = place(self.query);
        let mut levels: Vec<Level> = refusing
            .filter(|breakage| breakage.queries.contains(&place))
            .map(|breakage| breakage.level)
            .collect();
        levels.dedup();
        if levels != self.levels {
            return Err(format!("{place} should be refused by {:?}: {:#?}", self.levels, report.breakages));
        }
        // The code is the real one: of the connection from before for what only that one gets, else of a new one.
        for breakage in report.breakages.iter().filter(|breakage| breakage.queries.contains(&place)) {
            let (level, said) = (breakage.level, breakage.sqlstate.as_deref().unwrap_or(""));
            let real = if level == Old { self.codes.0 } else { self.codes.1 };
            if !said.is_empty() && said != real {
                return Err(format!("{level} says {said}, really {real:?}: {breakage:#?}"));
            }
        }
        // A way back is open exactly where new connections of the old binary lose nothing.
        let lasting = self.levels.iter().any(|level| *level != Old);
        let safe = report.way_back.as_ref().map(|way| way.safe);
        let others =
            report.breakages.iter().any(|b| b.severity == Severity::Refuse && b.outlives_connections());
        if safe != Some(!others) || lasting && safe != Some(false) {
            return Err(format!("the way back: {:#?}", report.way_back));
        }
        Ok(())
    }
}
