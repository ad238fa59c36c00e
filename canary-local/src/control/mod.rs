//! The control socket: what a holder is asked, and what it answers.
//!
//! HTTP/1.1 over a Unix socket. Every answer carries [`VERSION`] in the header [`VERSION_HEADER`]; every path starts
//! with it.
//!
//! ```text
//! POST /v1/call                            a Call as JSON         its answer as JSON
//! POST /v1/fetch                           a FileOf as JSON       the file's bytes, its facts in headers
//! PUT  /v1/install/NODE/SHA256/SIZE        the file's bytes       an InstallReport as JSON
//! ```
//!
//! What failed is a [`Refusal`] with status 422; what cannot be understood has another status of 400 and above.

mod client;
mod client_roles;
mod codec;
mod server;

pub use client::{LocalClient, LocalClientConfig};
pub use codec::HolderFacts;
pub(crate) use server::serve;

use codec::{Call, FileOf, Refusal};

/// The version of the protocol.
pub(crate) const VERSION: u32 = 1;
/// The header with the version, in every answer.
pub(crate) const VERSION_HEADER: &str = "canary-control";
/// The headers of a fetched file.
pub(crate) const SHA256_HEADER: &str = "canary-sha256";
pub(crate) const SIZE_HEADER: &str = "canary-size";
