//! Service levels per tenant, and OpenSLO documents: refused with words, or whole enough to be hashed and written again.
#![no_main]

use canary_core::time::Timestamp;
use canary_tenants::policy::{openslo, read};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match read(text, "sla.yaml") {
        Ok(file) => {
            let policy = file.at(Timestamp::from_millis(1_800_000_000_000));
            assert!(!policy.canonical().is_empty(), "what holds has a form");
            let out = openslo::export(&policy);
            assert!(openslo::import(&out.text, "slo.yaml").is_ok(), "what is written is read");
        }
        Err(error) => assert!(!error.problems.is_empty(), "a refusal without a word"),
    }
    let _ = openslo::import(text, "slo.yaml");
});
