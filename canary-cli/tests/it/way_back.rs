//! What runs is known by its revision: the next release's migrations are new since it, and a binary that the schema has left
//! behind does not come back unasked.

#![expect(clippy::unwrap_used, reason = "a helper of a test that cannot go on fails it")]

use std::process::Command;

use crate::site::{Site, load, said};

/// Writes a migration and commits it; gives the commit.
fn commit(site: &Site, migration: &str, sql: &str) -> String {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(site.dir.path());
        git.args(["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"]);
        let done = git.args(arguments).env("HOME", site.dir.path()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    std::fs::create_dir_all(site.path("migrations")).unwrap();
    std::fs::write(site.path("migrations").join(migration), sql).unwrap();
    git(&["init", "-q"]);
    git(&["add", "migrations"]);
    git(&["commit", "-q", "-m", migration]);
    git(&["rev-parse", "HEAD"])
}

/// Runs a command that must end so, with these words among what it says.
fn expect(site: &Site, arguments: &[&str], code: i32, words: &[&str]) {
    let (ended, text) = site.run(arguments);
    assert_eq!(ended, Some(code), "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?} does not say {word:?}:\n{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_binary_that_the_schema_has_left_behind_does_not_come_back_unasked() {
    let site = Site::new();
    let holder = site.serve(3).await;
    let load = load(&site, &["/"]).await;
    site.release("v2", &[]);
    site.release("v3", &[]);
    let base = ["--migrations-base", "HEAD"];
    let first = commit(&site, "1_users.sql", "CREATE TABLE users (id bigint PRIMARY KEY, email text);\n");
    expect(&site, &[&["run", "--artifact", "v2"], &base[..]].concat(), 0, &[]);
    commit(&site, "2_drop.sql", "ALTER TABLE users DROP COLUMN email;\n");

    // No base is named: new is what came since the revision that runs.
    let gate = ["gate", "--artifact", "v3"];
    expect(&site, &gate, 10, &["migrations/2_drop.sql:1", "drop-column", &first[..12]]);
    expect(&site, &["run", "--artifact", "v3"], 10, &["drop-column"]);
    expect(&site, &["run", "--artifact", "v3", "--force-migrate", "--reason", "nobody reads it"], 0, &[]);

    let refused = [
        "rollback is no longer safe because migrations/2_drop.sql:1",
        "--shadow local tries the old binary's own queries",
        "FORCE_MIGRATE=1",
    ];
    expect(&site, &["rollback", "--dry-run"], 10, &refused);
    expect(&site, &["rollback"], 10, &refused);
    // No grant is named that a rollback does not take.
    assert!(!site.run(&["rollback"]).1.contains("--allow"));
    for dry in [true, false] {
        let arguments = ["rollback", "--reason", "as agreed", "--dry-run"];
        let arguments = &arguments[..if dry { 4 } else { 3 }];
        let forced = site.command(arguments).env("FORCE_MIGRATE", "1").output().unwrap();
        let (ended, text) = said(&forced);
        assert_eq!(ended, Some(0), "{text}");
        assert!(text.contains(": drop-column: migrations/2_drop.sql:1:"), "dry {dry}: {text}");
    }
    assert_eq!(load.stop().await.failed_total, 0);
    assert_eq!(holder.end("TERM").code(), Some(0));
}
