//! Which schema of which database is whose: the table that the service routes its tenants by.

mod pattern;
mod read;
mod table;
mod yaml;

pub use pattern::{BadPattern, SchemaPattern};
pub use read::{Routing, RoutingError, read_routes};
pub use table::{Database, Routes, RoutesError, Shard};
