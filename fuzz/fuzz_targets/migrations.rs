//! A migration file under every convention, judged whole.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| canary_postgres::fuzzing::migration(text));
