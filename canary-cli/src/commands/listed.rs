//! `completions` and `man`: what there is to type, for shells and for `man`, from the same tree of commands.

use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::error::{CommandError, ErrorKind};

#[cfg(test)]
mod tests;

/// The tree without what is accepted but not listed: neither shells nor pages tell of it.
fn listed(command: &Command) -> Command {
    let mut listed = Command::new(command.get_name().to_owned())
        .subcommand_required(command.is_subcommand_required_set())
        .args(command.get_arguments().filter(|arg| !arg.is_hide_set()).cloned())
        .subcommands(command.get_subcommands().filter(|inner| !inner.is_hide_set()).map(self::listed));
    if let Some(about) = command.get_about() {
        listed = listed.about(about.clone());
    }
    match command.get_version() {
        Some(version) => listed.version(version.to_owned()),
        None => listed,
    }
}

/// A shell's completion script.
pub(crate) fn completions(all: &Command, shell: Shell) -> Result<Vec<u8>, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut listed(all), all.get_name(), &mut script);
    if shell != Shell::Bash {
        return Ok(script);
    }
    // clap_complete 4.6 writes the hyphen of a program's name in two ways into the script for bash: it sets one
    // label and asks for the other, so that nothing after a command would be completed.
    let (asked, set) = (all.get_name().replace('-', "__subcmd__"), all.get_name().replace('-', "__"));
    let script = String::from_utf8(script)
        .map_err(|_| CommandError::bug("the completion script is not UTF-8 text"))?;
    Ok(script.replace(&asked, &set).into_bytes())
}

/// All pages, one after the other: `man -l -` shows them.
pub(crate) fn pages(all: &Command) -> Result<Vec<u8>, CommandError> {
    let mut text = Vec::new();
    for (_, page) in each(all)? {
        text.extend(page);
    }
    Ok(text)
}

/// Writes a page for each command into a directory that exists or can be made; gives the files' names.
pub(crate) fn write_pages(all: &Command, directory: &Path) -> Result<Vec<String>, CommandError> {
    let refused = |path: &Path, error: &std::io::Error| {
        let message = format!("cannot write {}: {error}", path.display());
        CommandError::new(ErrorKind::Usage, message, "name a directory that this user may write to")
    };
    std::fs::create_dir_all(directory).map_err(|error| refused(directory, &error))?;
    let mut names = Vec::new();
    for (name, page) in each(all)? {
        let path = directory.join(&name);
        std::fs::write(&path, page).map_err(|error| refused(&path, &error))?;
        names.push(name);
    }
    Ok(names)
}

/// Each page with its file name, a command before its own commands.
fn each(all: &Command) -> Result<Vec<(String, Vec<u8>)>, CommandError> {
    let mut root = listed(all).disable_help_subcommand(true);
    root.build();
    let mut pages = Vec::new();
    let mut left = vec![root];
    while let Some(command) = left.pop() {
        let mut inner: Vec<_> = command.get_subcommands().cloned().collect();
        inner.reverse();
        left.extend(inner);
        let page = Man::new(command).source(concat!("canary-cli ", env!("CARGO_PKG_VERSION")));
        let mut text = Vec::new();
        page.render(&mut text)
            .map_err(|error| CommandError::bug(format!("a page cannot be made: {error}")))?;
        pages.push((page.get_filename(), text));
    }
    Ok(pages)
}
