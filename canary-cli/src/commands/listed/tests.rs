//! What shells and pages tell of the commands, and what they do not.

use std::collections::BTreeSet;
use std::process::Command;

use crate::cli;
use crate::testing::World;

/// What a command printed.
fn printed(arguments: &[&str]) -> String {
    let text = World::new().arguments(arguments).run();
    let printed = text.strip_prefix("exit code 0\n--- out\n").and_then(|text| text.strip_suffix("--- err\n"));
    printed.unwrap_or_else(|| panic!("{arguments:?}: {text}")).to_owned()
}

#[test]
fn every_shell_completes_commands_and_flags_and_nothing_hidden() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&["completions", shell]);
        for there in ["rollback", "drain-timeout", "migrations-base", "completions"] {
            assert!(script.contains(there), "{shell}: {there} is missing");
        }
        assert!(!script.contains("demo-service"), "{shell}");
    }
}

#[test]
fn bash_offers_what_fits() {
    let world = World::new();
    let script = world.directory.path().join("canary-cli.bash");
    std::fs::write(&script, printed(&["completions", "bash"])).unwrap();
    let offered = |words: &[&str]| {
        // As bash calls it: the command, the word under the cursor, the word before it.
        let call = ". \"$0\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                    _canary__cli \"$1\" \"${*: -1}\" \"${*: -2:1}\"; echo \"${COMPREPLY[*]}\"";
        let output = Command::new("bash")
            .args(["-c", call])
            .arg(&script)
            .arg("canary-cli")
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        format!("{}: {}", words.join(" "), String::from_utf8(output.stdout).unwrap())
    };
    let all = [
        &["ro"][..],
        &["log", ""],
        &["log", "list", "-"],
        &["gate", "--migrations-c"],
        &["demo", "--fault", ""],
        &["completions", "z"],
        &["run", "--output", "j"],
    ];
    insta::assert_snapshot!(all.map(offered).concat());
}

#[test]
fn a_shell_that_there_is_not_is_refused() {
    insta::assert_snapshot!(World::new().arguments(&["completions", "csh"]).run());
}

#[test]
fn there_is_a_page_for_each_command() {
    let world = World::new().arguments(&["man", "share/man1"]);
    let said = world.run();
    let files = std::fs::read_dir(world.directory.path().join("share/man1")).unwrap();
    let files: BTreeSet<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let mut expected = BTreeSet::from(["canary-cli.1".to_owned()]);
    for command in cli::command().get_subcommands() {
        expected.insert(format!("canary-cli-{}.1", command.get_name()));
        let inner = command.get_subcommands();
        expected
            .extend(inner.map(|inner| format!("canary-cli-{}-{}.1", command.get_name(), inner.get_name())));
    }
    assert_eq!(files, expected);
    assert!(expected.iter().all(|name| said.contains(&format!("{name}\n"))), "{said}");
    let page = world.directory.path().join("share/man1/canary-cli-log-show.1");
    let page = std::fs::read_to_string(page).unwrap();
    insta::assert_snapshot!(page.replace(env!("CARGO_PKG_VERSION"), "[VERSION]"));
}

#[test]
fn the_printed_manual_has_all_pages() {
    let pages = printed(&["man"]).lines().filter(|line| line.starts_with(".TH ")).count();
    let commands = cli::command();
    let inner: usize = commands.get_subcommands().map(|command| command.get_subcommands().count()).sum();
    assert_eq!(pages, 1 + commands.get_subcommands().count() + inner);
}

#[test]
fn a_directory_that_cannot_be_made_is_told() {
    let text = World::new().file("").arguments(&["man", "canary.toml/man1"]).run();
    assert!(text.starts_with("exit code 2\n"), "{text}");
    assert!(text.contains("cannot write [DIR]/canary.toml/man1: "), "{text}");
}
