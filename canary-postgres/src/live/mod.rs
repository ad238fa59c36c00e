//! Connections to a running PostgreSQL: read-only, bounded, every call with a deadline.

mod bounded;
mod connection;
mod failure;
mod identifier;
mod session;
mod tls;
mod url;

pub(crate) use bounded::bounded;
pub use connection::Connection;
pub use failure::Failure;
pub use identifier::quote_identifier;
pub use session::Session;
pub use url::{BadDatabaseUrl, DatabaseUrl};
