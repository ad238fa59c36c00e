//! What really breaks a running binary, row by row on a real PostgreSQL, and what catches it before.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says so")]

#[path = "../contracts/mod.rs"]
mod contracts;
mod locks;
mod read;
mod real;
#[path = "../repository/mod.rs"]
mod repository;
mod rows;
mod shop;
mod table;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Conclusion, Trial};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if arguments.list {
        return libtest_mimic::run(&arguments, trials(None)).exit_code();
    }
    let runtime = Runtime::new().expect("a runtime");
    // A missing server is a failure that says what to install, not a test that is passed over.
    let shop = Arc::new(runtime.block_on(shop::Shop::open()));
    let runtime = Arc::new(runtime);
    let conclusion: Conclusion = libtest_mimic::run(&arguments, trials(Some((&runtime, &shop))));
    drop(Arc::into_inner(shop));
    conclusion.exit_code()
}

fn trials(with: Option<(&Arc<Runtime>, &Arc<shop::Shop>)>) -> Vec<Trial> {
    let mut trials = vec![
        Trial::test("the table of changes is whole", || table::is_whole().map_err(Into::into)),
        Trial::test("the manual lists every change", || table::is_in_the_manual().map_err(Into::into)),
    ];
    for row in rows::ROWS {
        let with = with.map(|(runtime, shop)| (Arc::clone(runtime), Arc::clone(shop)));
        trials.push(Trial::test(format!("breaks: {}", row.name), move || {
            let (runtime, shop) = with.expect("a test that runs has a server");
            runtime.block_on(row.check(&shop)).map_err(Into::into)
        }));
    }
    for case in locks::CASES {
        let with = with.map(|(runtime, shop)| (Arc::clone(runtime), Arc::clone(shop)));
        trials.push(Trial::test(format!("locks: {}", case.name), move || {
            let (runtime, shop) = with.expect("a test that runs has a server");
            runtime.block_on(case.check(&shop)).map_err(Into::into)
        }));
    }
    trials
}
