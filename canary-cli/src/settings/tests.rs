//! Settings from all layers, good and bad.

mod bad;
mod good;
mod schema;
mod table;
