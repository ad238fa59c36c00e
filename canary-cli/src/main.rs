//! The `canary-cli` binary.
fn main() {}
