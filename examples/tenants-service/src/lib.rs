//! A multi-tenant service as many are: one database, eight shards that are schemas, a table that says which tenant is where.
//!
//! ```text
//!  request ─► tenant ─► public.routing ─► shard ─► connection with that search_path ─► users, orders
//! ```
//!
//! It is a sample: `canary-cli contract lock` reads it, `sql-contract.lock` is what comes of it, `tests/sql_contract.rs` is
//! what `canary-cli contract generate` writes of that.

pub mod orders;
pub mod pool;
pub mod routing;
pub mod users;
