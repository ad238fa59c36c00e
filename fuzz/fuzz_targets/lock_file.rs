//! A contract's lock file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| canary_postgres::fuzzing::lock_file(text));
