//! How commands reach HAProxy.

use std::fmt::{Debug, Display};

use async_trait::async_trait;
use canary_core::traits::BackendError;

use crate::Command;

/// Carries commands to HAProxy's stats socket and brings the replies back.
///
/// `Display` names the way for people (`unix socket /run/haproxy/admin.sock`).
#[async_trait]
pub trait Transport: Display + Debug + Send + Sync + 'static {
    /// Sends the commands one after the other and returns one reply for each, in order.
    ///
    /// Each command is one line in HAProxy's non-interactive mode, on a connection of its own. A reply is what HAProxy
    /// sent, verbatim up to the end of the connection, **including the empty line that ends every complete reply**
    /// (the reply to a successful `set` is that line alone): callers tell by it whether a reply was cut off. Bytes
    /// outside UTF-8 are replaced. A transport does not judge what a reply says.
    ///
    /// A transport that is slow a round trip sends all commands in one. The first command that fails ends the call:
    /// later ones are not sent.
    ///
    /// # Errors
    /// `Unreachable` or `TimedOut`, both transient, when HAProxy cannot be reached; `Unauthorised` when the socket
    /// may not be opened; `Unsupported` when the way there lacks something. `NotApplied` only if no command that
    /// [changes something](Command::changes) was sent; with one sent and its reply missing the outcome is `Unknown`.
    /// Returns within the transport's deadline for each command.
    async fn send(&self, commands: &[Command]) -> Result<Vec<String>, BackendError>;
}
