//! What the Prometheus HTTP API answers.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| canary_prom::fuzzing::reply(body));
