//! A node's metrics page, in both formats.
#![no_main]

use canary_prom::exposition::{Format, parse};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    for format in [Format::Text, Format::OpenMetrics] {
        if let Ok(samples) = parse(body, format) {
            let lines = body.split(|byte| *byte == b'\n').count();
            assert!(samples.len() <= lines, "a line holds one sample at most");
        }
    }
});
