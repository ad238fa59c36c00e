//! Settings from all layers, good and bad.

mod any;
mod bad;
mod good;
mod judges;
mod schema;
mod table;
