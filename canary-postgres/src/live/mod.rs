//! Connections to a running PostgreSQL: read-only, bounded, every call with a deadline.

mod connection;
mod failure;
mod identifier;
mod session;
mod tls;
mod url;

pub use connection::Connection;
pub use failure::Failure;
pub use identifier::quote_identifier;
pub use session::Session;
pub use url::{BadDatabaseUrl, DatabaseUrl};
