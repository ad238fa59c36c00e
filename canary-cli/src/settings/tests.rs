//! Settings from all layers, good and bad.

mod any;
mod bad;
mod good;
mod schema;
mod table;
