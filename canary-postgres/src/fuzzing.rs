//! The way in for the fuzz targets; built with `--cfg fuzzing` alone.

use std::path::Path;

use crate::convention::Convention;
use crate::rules::{Judge, Known, Locks, Place, Reading};
use crate::sql::parse::parse;

/// Judges a migration file's text under every convention.
pub fn migration(text: &str) {
    // Most conventions read most files alike; parsing is what takes time.
    let mut read = Vec::new();
    for convention in Convention::ALL {
        let _ = convention.role(Path::new("0001_first.up.sql"));
        let Ok(up) = convention.read(text, None) else { continue };
        let (parts, up) = (up.parts, up.text);
        if read.contains(&up) {
            continue;
        }
        let script = parse(&up);
        let mut judge = Judge::over(Known::default(), Reading::default(), Locks::Refuse);
        let place = Place { file: "0001_first.up.sql", text, convention, parts: &parts };
        judge.open(place);
        judge.file(place, &script);
        let _ = judge.into_findings();
        read.push(up);
    }
}

/// Reads a contract's lock file, as it is and below a right digest.
pub fn lock_file(text: &str) {
    use crate::contract::Contract;
    let _ = Contract::from_lock(text);
    let body = text.splitn(3, '\n').nth(2).unwrap_or(text);
    let signed =
        format!("{{\n  \"sha256\": \"{}\",\n{body}", canary_core::fleet::Digest::of(body.as_bytes()));
    if let Ok(contract) = Contract::from_lock(&signed) {
        let _ = contract.generate(&crate::contract::Suite::default());
        let _ = contract.facts();
        assert_eq!(
            contract.to_lock().ok().as_deref(),
            Some(signed.as_str()),
            "what is read is written alike"
        );
    }
}

/// Extracts a contract from a source file's text.
pub fn sources(text: &str) {
    let contract = crate::contract::from_texts(&[("a.rs", text)], &[]);
    let lock = contract.to_lock().unwrap_or_default();
    assert_eq!(
        crate::contract::Contract::from_lock(&lock).ok(),
        Some(contract),
        "what is written is read back"
    );
}
