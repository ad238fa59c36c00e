//! Every command in a `sh` block is one that there is, and settings in a `toml` block are ones that are understood.

use canary_cli::environment::Environment;

use crate::markdown::{files, parts, root};

/// Words as a shell splits them, without what is expanded; a comment ends the line.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The commands of a line: parts between `&&`, `|` and `;`, without assignments before them.
fn commands(line: &str) -> Vec<Vec<String>> {
    let all = words(line);
    let parts = all.split(|word| matches!(word.as_str(), "&&" | "||" | "|" | ";"));
    let assignment = |word: &String| {
        word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        })
    };
    parts.map(|part| part.iter().skip_while(|word| assignment(word)).cloned().collect()).collect()
}

/// Why a command is not one that there is; `None` for those of other programs.
fn wrong(command: &[String]) -> Result<bool, String> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["canary-cli", ..] => parsed(&words).map(|()| true),
        ["cargo", "run", rest @ ..] => {
            let (own, given) = match rest.iter().position(|word| *word == "--") {
                Some(at) => (&rest[..at], &rest[at + 1..]),
                None => (rest, &[][..]),
            };
            let value =
                |flag| own.iter().position(|word| *word == flag).and_then(|at| own.get(at + 1)).copied();
            match (value("-p"), value("--example")) {
                (Some("canary-cli"), _) => {
                    parsed(&[&["canary-cli"], given].concat())?;
                }
                (Some("canary-examples"), Some(example)) => {
                    exists(&format!("examples/examples/{example}.rs"))?;
                }
                (Some(package), _) => exists(&format!("{package}/Cargo.toml"))?,
                (None, _) => return Err("cargo run without -p".to_owned()),
            }
            Ok(true)
        }
        ["make", target, ..] => {
            let makefile = std::fs::read_to_string(root().join("Makefile")).map_err(|e| e.to_string())?;
            let there = makefile.lines().any(|line| line.starts_with(&format!("{target}:")));
            if there { Ok(true) } else { Err(format!("the Makefile has no {target}")) }
        }
        [program, ..] if program.starts_with("lab/") || program.starts_with("scripts/") => {
            exists(program).map(|()| true)
        }
        _ => Ok(false),
    }
}

fn parsed(words: &[&str]) -> Result<(), String> {
    match canary_cli::cli::command().try_get_matches_from(words) {
        Err(error) if error.exit_code() != 0 => Err(error.to_string()),
        _ => Ok(()),
    }
}

fn exists(path: &str) -> Result<(), String> {
    if root().join(path).exists() { Ok(()) } else { Err(format!("there is no {path}")) }
}

#[test]
fn commands_are_ones_that_there_are() {
    let (mut seen, mut problems) = (0, Vec::new());
    for (path, text) in files(".md") {
        for block in parts(&text).1.iter().filter(|block| block.info == "sh") {
            let joined = block.lines.join("\n").replace("\\\n", " ");
            for command in joined.lines().flat_map(commands) {
                match wrong(&command) {
                    Ok(known) => seen += usize::from(known),
                    Err(why) => problems.push(format!("{path}: {}: {why}", command.join(" "))),
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(seen > 40, "{seen} commands");
}

#[test]
fn what_is_no_command_is_found() {
    let first = |line: &str| wrong(&commands(line)[0]);
    assert_eq!(first("ARTIFACT=/tmp/a canary-cli run --window 30s # ships it"), Ok(true));
    assert_eq!(first("ls -l"), Ok(false));
    assert!(first("canary-cli dance").is_err());
    assert!(first("canary-cli run --no-such-flag").is_err());
    assert!(first("make coffee").is_err());
    assert!(first("cargo run -p canary-cli -- demo --fault hiccups").is_err());
    assert!(first("cargo run -p canary-examples --example nothing").is_err());
    assert_eq!(commands("a | canary-cli dance").len(), 2);
}

/// Blocks of settings (not of a `Cargo.toml`) are read by the program itself.
#[test]
fn settings_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for (path, text) in files(".md") {
        let settings = |lines: &[String]| {
            let dependencies = lines.iter().any(|line| line.contains("dependencies]"));
            !dependencies && lines.iter().any(|line| line.contains('='))
        };
        for block in parts(&text).1.iter().filter(|block| block.info == "toml" && settings(&block.lines)) {
            let file = dir.path().join("canary.toml");
            std::fs::write(&file, block.lines.join("\n")).unwrap();
            let surroundings = Environment::of_process().unwrap();
            let words = ["canary-cli", "log", "list", "--state-dir", dir.path().to_str().unwrap(), "-f"];
            let arguments = words.into_iter().map(Into::into).chain([file.into()]).collect();
            let mut said = Vec::new();
            let code = canary_cli::Cli::new().run(arguments, &surroundings, std::io::sink(), &mut said);
            assert_eq!(code, 0, "{path}: {}", String::from_utf8_lossy(&said));
            seen += 1;
        }
    }
    assert!(seen > 1, "{seen} blocks");
}
