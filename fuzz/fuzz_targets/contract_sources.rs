//! A Rust source file, read for its SQL contract.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| canary_postgres::fuzzing::sources(text));
