//! What HAProxy's replies say, as pure functions over complete reply bodies. None of them panics on any text.

mod bindings;
mod conn;
mod info;
mod pool;
mod servers_state;
mod stat;
mod table;

pub use bindings::parse_bindings;
pub use conn::{ServerConnections, parse_servers_conn};
pub use info::{ProcessInfo, SocketLevel, Version, parse_info, parse_level};
pub use pool::assemble;
pub use servers_state::{AdminFlags, CheckFlags, ServerRow, parse_servers_state};
pub use stat::{PoolCounters, ServerCounters, parse_stat};

/// Says in what a reply differs from what HAProxy's management guide promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// A line that every such reply has is missing or different.
    #[error("expected {expected}, found {found:?}")]
    Expected {
        /// What should have been there.
        expected: &'static str,
        /// The start of what was there.
        found: String,
    },
    /// A column or field that is needed is not there.
    #[error("there is no {0:?}")]
    Missing(&'static str),
    /// A row has another number of fields than its header.
    #[error("row {row} has {found} fields, its header has {expected}")]
    Width {
        /// The row, counted from 1 after the header.
        row: usize,
        /// How many fields it has.
        found: usize,
        /// How many its header has.
        expected: usize,
    },
    /// A field does not hold what it should.
    #[error("{column} of row {row} is {value:?}, not {expected}")]
    Field {
        /// The row, counted from 1 after the header; 0 where there are no rows.
        row: usize,
        /// The column's name.
        column: &'static str,
        /// The start of what it holds.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// Two replies tell different things about the same pool.
    #[error("{0}")]
    Disagree(String),
}

/// The start of a text, for an error.
pub(crate) fn excerpt(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests;
