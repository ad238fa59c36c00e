//! `report`: one rollout as a page or a message, from the journal alone.

use std::fs::Permissions;
use std::io::{ErrorKind as IoErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use canary_core::journal::{Record, RolloutId, rollouts};
use canary_report::Report;
use clap::ArgMatches;
use serde_json::json;

use super::init::there_already;
use super::{Context, decided, log, status};
use crate::error::{CommandError, ErrorKind};
use crate::render::line;

/// What stands for standard output where a file is named.
const STDOUT: &str = "-";

/// What is written.
pub(super) struct Made<'m> {
    /// Whose it is, for the file's name.
    pub(super) id: String,
    pub(super) headline: String,
    pub(super) html: &'m dyn Fn() -> String,
    pub(super) markdown: &'m dyn Fn() -> String,
}

/// Writes the report of one rollout, the last one if none is named; or of one decision.
pub(super) fn report(cx: &Context<'_>, matches: &ArgMatches) -> Result<u8, CommandError> {
    if matches.get_flag("decisions") {
        return decided::report(cx, matches);
    }
    let records = cx.read_journal()?.records;
    let id = log::named(cx, matches, &records)?;
    let service = cx.settings.spec.service.as_str();
    let tenants = decided::of_rollout(cx, id);
    let report = of(&records, id)?.of_service(service).with_tenants(tenants.as_ref());
    let report = report.at_work(last_started(&records, id) && status::in_use(&cx.journal_path()));
    let made = Made {
        id: id.to_string(),
        headline: report.headline(),
        html: &|| report.html(),
        markdown: &|| report.markdown(),
    };
    deliver(cx, matches, &made)
}

/// Writes it where the command line says.
pub(super) fn deliver(cx: &Context<'_>, matches: &ArgMatches, made: &Made<'_>) -> Result<u8, CommandError> {
    let message = matches.get_one::<String>("format").is_some_and(|format| format == "md");
    let text = if message { (made.markdown)() } else { (made.html)() };
    let to = match matches.get_one::<PathBuf>("to") {
        Some(path) if path.as_os_str() == STDOUT => None,
        Some(path) => Some(path.clone()),
        None if message => None,
        None => Some(file_name(&made.id)),
    };
    if let Some(path) = &to {
        write(&cx.environment.directory.join(path), &text, matches.get_flag("force"))?;
    }
    let (id, headline) = (&made.id, &made.headline);
    if cx.screen.json() {
        let text = to.is_none().then_some(text);
        cx.screen
            .line(line("report", json!({ "rollout": id, "file": to, "headline": headline, "text": text })));
        return Ok(0);
    }
    match &to {
        Some(path) => cx.screen.line(format!("{}: {headline}", path.display())),
        None => cx.screen.lines(text.lines()),
    }
    Ok(0)
}

/// The report of a rollout that a record is about.
pub(super) fn of<'r>(records: &'r [Record], id: &'r RolloutId) -> Result<Report<'r>, CommandError> {
    Report::of(records, id).ok_or_else(|| CommandError::bug(format!("no record is about {id}")))
}

/// Whether the rollout of this id is the last that was started: the one that an engine can be at work on.
fn last_started(records: &[Record], id: &RolloutId) -> bool {
    rollouts(records).pop().is_some_and(|view| view.id == *id)
}

/// Where the page of a rollout goes when no file is named. The id is the journal's word, which names no directory here.
pub(super) fn file_name(id: &str) -> PathBuf {
    let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    PathBuf::from(format!("canary-report-{}.html", id.chars().take(80).map(safe).collect::<String>()))
}

/// Writes a whole file or none: a reader never sees half of it, and what was there is replaced only by force.
pub(super) fn write(path: &Path, text: &str, force: bool) -> Result<(), CommandError> {
    let refused = |error: &dyn std::fmt::Display| {
        let hint = "name a file in a directory that this user may write to with --to";
        CommandError::new(ErrorKind::Usage, format!("cannot write {}: {error}", path.display()), hint)
    };
    match path.symlink_metadata() {
        Ok(_) if !force => return Err(there_already(path)),
        // Renaming onto a device or a link would take its place.
        Ok(found) if !found.is_file() => return Err(refused(&"it is not a regular file")),
        _ => {}
    }
    let directory =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    // As any file: the user's own mask decides who may read it.
    let file = tempfile::Builder::new()
        .prefix(".canary-report-")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory);
    let mut file = file.map_err(|error| refused(&error))?;
    file.write_all(text.as_bytes()).and_then(|()| file.as_file().sync_all()).map_err(|e| refused(&e))?;
    let placed = if force { file.persist(path) } else { file.persist_noclobber(path) };
    placed.map(drop).map_err(|failed| match failed.error.kind() {
        IoErrorKind::AlreadyExists => there_already(path),
        _ => refused(&failed.error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::tests::dead;
    use crate::testing::World;

    /// A journal with a run that was refused, since nothing answers.
    fn refused() -> World {
        let world = dead().arguments(&["run"]);
        let told = world.run();
        assert!(told.starts_with("exit code 10"), "{told}");
        world
    }

    fn pages(world: &World) -> Vec<String> {
        let files = std::fs::read_dir(world.directory.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.contains("report")).collect()
    }

    #[test]
    fn a_page_is_written_once_and_then_only_by_force() {
        let world = refused().again(&["report"]);
        let told = world.run();
        assert!(told.starts_with("exit code 0\n--- out\ncanary-report-"), "{told}");
        assert!(told.contains(".html: refused: "), "{told}");
        let [name] = &*pages(&world) else { panic!("{:?}", pages(&world)) };
        let path = world.directory.path().join(name);
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("<!DOCTYPE html>\n"));

        std::fs::write(&path, "mine").unwrap();
        let told = world.run();
        assert!(told.starts_with("exit code 2\n") && told.contains("is there already"), "{told}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        let world = world.again(&["report", "--force"]);
        assert!(world.run().starts_with("exit code 0\n"));
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("<!DOCTYPE html>\n"));
        assert_eq!(pages(&world).len(), 1, "what was begun is removed: {:?}", pages(&world));
    }

    #[test]
    fn nothing_but_a_file_is_replaced() {
        let world = refused();
        let path = world.directory.path().join("report");
        std::os::unix::fs::symlink("veza-api", &path).unwrap();
        let world = world.again(&["report", "--force", "--to", "report"]);
        let told = world.run();
        assert!(told.starts_with("exit code 2\n") && told.contains("it is not a regular file"), "{told}");
        assert!(path.symlink_metadata().unwrap().is_symlink());
        let world = world.again(&["report", "--to", "nowhere/page.html"]);
        let told = world.run();
        assert!(
            told.starts_with("exit code 2\n") && told.contains("cannot write [DIR]/nowhere/page.html"),
            "{told}"
        );
    }

    #[test]
    fn a_message_is_printed() {
        let world = refused().again(&["report", "--format", "md"]);
        let told = world.run();
        let (head, rest) = told.split_once("- why: ").unwrap();
        assert_eq!(
            head,
            "exit code 0\n--- out\n**`api_pool`: refused** (exit code 10)\nIt did not begin: nothing was changed.\n\n"
        );
        assert!(rest.contains("chain hash `"), "{rest}");
        assert_eq!(pages(&world), [""; 0]);
        let world = world.again(&["report", "--to", "-"]);
        let told = world.run();
        assert!(told.contains("--- out\n<!DOCTYPE html>\n") && told.contains("</html>"), "{told}");
        let world = world.again(&["report", "--format", "md", "--to", "report.md", "--output", "json"]);
        let told = world.run();
        assert!(told.contains("\"event\":\"report\"") && told.contains("\"file\":\"report.md\""), "{told}");
        assert_eq!(pages(&world), ["report.md"]);
    }

    #[test]
    fn a_rollout_that_is_not_there_is_named() {
        let world = refused().again(&["report", "20200101T000000Z-00000000"]);
        let told = world.run();
        assert!(told.starts_with("exit code 2\n") && told.contains("has no rollout"), "{told}");
        let told = World::new().arguments(&["report", "--state-dir", "."]).run();
        assert!(told.starts_with("exit code 2\n") && told.contains("has no record of a rollout"), "{told}");
    }

    #[test]
    fn the_name_of_a_page_stays_in_its_directory() {
        assert_eq!(file_name("../../etc/pass wd"), Path::new("canary-report-______etc_pass_wd.html"));
    }
}
