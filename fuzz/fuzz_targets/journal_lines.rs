//! Lines of a journal that anybody may have written, and the rollouts they fold to.
#![no_main]

use canary_core::engine::next;
use canary_core::journal::{Chain, parse_line, rollouts};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let mut chain = None;
    let mut records = Vec::new();
    for line in body.split(|byte| *byte == b'\n') {
        // A hash that does not fit is what most inputs fail at; the body alone is read as well.
        let whole = parse_line(line).or_else(|_| sealed(line));
        let Ok(record) = whole else { continue };
        if let Ok(after) = Chain::accept(chain.as_ref(), &record) {
            chain = Some(after);
        }
        records.push(record);
    }
    for view in rollouts(&records) {
        let _ = next(&view.plan, &view.history);
    }
});

/// A body with the hash it should have.
fn sealed(body: &[u8]) -> Result<canary_core::journal::Record, String> {
    let text = std::str::from_utf8(body).map_err(|error| error.to_string())?;
    let hash = canary_core::fleet::Digest::of(body);
    parse_line(format!("{{\"body\":{text},\"hash\":\"{hash}\"}}").as_bytes())
}
