//! A file's text as its tool reads it.

use super::run::{Note, Splitting, Transaction, Up};
use super::{Convention, SectionError, liquibase, psql, sections, template};
use crate::sql::position::Span;

pub(super) fn read(convention: Convention, text: &str, side: Option<&str>) -> Result<Up, SectionError> {
    use Convention as C;
    let around = |on: bool| if on { Transaction::Around } else { Transaction::None };
    let has = |found: fn(&str) -> bool| text.lines().any(found);
    let mut up = match convention {
        C::Sqlx => Up::whole(text, around(!text.starts_with("-- no-transaction")), Splitting::Whole),
        C::Diesel => Up::whole(text, around(!says_false(side, "run_in_transaction")), Splitting::Whole),
        C::GolangMigrate => Up::whole(text, Transaction::None, Splitting::Whole),
        C::Refinery => Up::whole(text, Transaction::Around, Splitting::Whole),
        C::Atlas => Up::whole(text, around(!has(atlas_none)), Splitting::Statements),
        C::Flyway => {
            Up::whole(text, around(!says_false(side, "executeInTransaction")), Splitting::Statements)
        }
        C::Goose | C::Dbmate | C::SqlMigrate | C::Tern => sections::up(convention, text)?,
        C::Liquibase => liquibase::up(text)?,
        C::Psql => psql::up(text),
        C::Plain => Up::whole(text, Transaction::Unknown, Splitting::Statements),
    };
    template::notes(convention, &up.text, &mut up.notes);
    Ok(up)
}

fn atlas_none(line: &str) -> bool {
    let words = line.strip_prefix("--").map(str::trim);
    words.and_then(|words| words.strip_prefix("atlas:txmode")).is_some_and(|mode| mode.trim() == "none")
}

/// Whether a side file of `key = value` lines says no.
fn says_false(side: Option<&str>, key: &str) -> bool {
    let lines = side.unwrap_or_default().lines();
    let mut pairs = lines.filter_map(|line| line.split('#').next()?.split_once('='));
    pairs.any(|(name, value)| {
        name.trim() == key && value.trim().trim_matches('"').eq_ignore_ascii_case("false")
    })
}

/// Markers of tools other than the one that runs the files: plain comments to it, which runs what stands below them.
pub(crate) fn foreign_markers(convention: Convention, text: &str) -> Vec<Note> {
    let (mut notes, mut at): (Vec<Note>, usize) = (Vec::new(), 0);
    for line in text.split_inclusive('\n') {
        let (start, shown) = (at, line.trim_end());
        at += line.len();
        let Some(owner) = owner(shown).filter(|owner| *owner != convention) else { continue };
        let what = format!(
            "a marker of {owner} is a comment to {convention}, which runs what stands below it like anything else"
        );
        notes.push(Note { rule: "foreign-marker", span: Span { start, end: start + shown.len() }, what });
    }
    notes
}

/// The tool whose marker a line is.
pub(super) fn owner(line: &str) -> Option<Convention> {
    if line.starts_with("---- create above / drop below ----") || line.starts_with("---- tern:") {
        return Some(Convention::Tern);
    }
    let words = line.strip_prefix("--")?.trim().to_ascii_lowercase();
    let known = [
        ("+goose ", Convention::Goose),
        ("migrate:up", Convention::Dbmate),
        ("migrate:down", Convention::Dbmate),
        ("+migrate ", Convention::SqlMigrate),
        ("liquibase formatted sql", Convention::Liquibase),
        ("atlas:", Convention::Atlas),
    ];
    known.into_iter().find(|(marker, _)| words.starts_with(marker)).map(|(_, convention)| convention)
}
