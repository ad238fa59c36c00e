//! What the documentation says is held against the repository: links, commands, messages, tests, excerpts.
#![expect(clippy::unwrap_used, reason = "the helpers of a test fail the test")]

mod commands;
mod crates;
mod links;
mod markdown;
mod quotes;
