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
