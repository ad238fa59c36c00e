//! Cases by name, run one by one or as a test program.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};

/// How long a case may take as a whole.
const LIMIT: Duration = Duration::from_secs(120);
/// How long a condition may take to come true when nobody says otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

tokio::task_local! {
    /// The same for the case that runs.
    static PATIENT: Duration;
}

/// A case's result: what was seen instead of what the contract says.
pub(super) type Verdict = Result<(), String>;
type Running<'b> = Pin<Box<dyn Future<Output = Verdict> + 'b>>;

/// One case against a bench.
pub(super) struct Case<B: ?Sized> {
    pub(super) name: &'static str,
    /// The line of the contract it checks.
    pub(super) contract: &'static str,
    pub(super) run: for<'b> fn(&'b B) -> Running<'b>,
}

/// A case from the name of its function.
macro_rules! case {
    ($function:ident, $contract:literal) => {
        $crate::conformance::suite::Case {
            name: stringify!($function),
            contract: $contract,
            run: |bench| Box::pin($function(bench)),
        }
    };
}
pub(super) use case;

/// Fails the case unless the condition holds.
macro_rules! require {
    ($condition:expr, $($why:tt)+) => {
        if !$condition {
            return Err(format!($($why)+));
        }
    };
}
pub(super) use require;

/// What made a call fail that had to succeed.
pub(super) fn must<T>(what: &str, result: Result<T, canary_core::traits::BackendError>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {}", error.chain()))
}

/// Looks again and again until `look` gives something; fails with what it saw last.
pub(super) async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<T, String>,
) -> Result<T, String> {
    let (begun, patience) = (Instant::now(), PATIENT.try_with(|it| *it).unwrap_or(PATIENCE));
    loop {
        match look().await {
            Ok(found) => return Ok(found),
            Err(seen) if begun.elapsed() > patience => {
                return Err(format!("waited {patience:?} for {what}; seen last: {seen}"));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

type Runner = Arc<dyn Fn(Duration) -> Verdict + Send + Sync>;

/// Cases to run against one backend.
#[must_use]
pub struct Suite {
    trait_name: &'static str,
    patience: Duration,
    cases: Vec<(String, Runner)>,
}

impl Suite {
    /// Cases that each run against a bench of their own, made by `make` in the case's runtime.
    pub(super) fn new<B, F, M>(trait_name: &'static str, make: M, cases: Vec<Case<B>>) -> Self
    where
        B: ?Sized + 'static,
        F: Future<Output = Box<B>> + 'static,
        M: Fn() -> F + Send + Sync + 'static,
    {
        let make = Arc::new(make);
        let runner = |case: Case<B>| {
            let make = Arc::clone(&make);
            let name = format!("{trait_name}::{}", case.name);
            let run: Runner = Arc::new(move |patience| {
                run(PATIENT.scope(patience, async {
                    let bench = make().await;
                    (case.run)(&bench).await
                }))
                .map_err(|seen| format!("{seen}\n  the contract: {}", case.contract))
            });
            (name, run)
        };
        Self { trait_name, patience: PATIENCE, cases: cases.into_iter().map(runner).collect() }
    }

    /// Sets how long a condition may take to come true; default 30 s.
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Keeps only the case of that name, without the trait's.
    pub fn only(mut self, case: &str) -> Self {
        let name = format!("{}::{case}", self.trait_name);
        self.cases.retain(|(other, _)| *other == name);
        self
    }

    /// The cases' names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.cases.iter().map(|(name, _)| name.as_str())
    }

    /// The cases as tests for libtest-mimic, their names under `prefix` (`haproxy::`).
    #[must_use]
    pub fn trials(self, prefix: &str) -> Vec<Trial> {
        let patience = self.patience;
        let trial = |(name, run): (String, Runner)| {
            Trial::test(format!("{prefix}{name}"), move || run(patience).map_err(Failed::from))
        };
        self.cases.into_iter().map(trial).collect()
    }

    /// Runs every case, and gives those that failed with what was seen.
    ///
    /// For tests that a broken backend is caught; blocking, outside of any async runtime.
    #[must_use]
    pub fn failures(&self) -> BTreeMap<String, String> {
        let failure = |run: &Runner| match catch_unwind(AssertUnwindSafe(|| run(self.patience))) {
            Ok(verdict) => verdict.err(),
            Err(_) => Some("it panicked".to_owned()),
        };
        self.cases.iter().filter_map(|(name, run)| Some((name.clone(), failure(run)?))).collect()
    }
}

impl std::fmt::Debug for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Suite")
            .field("trait_name", &self.trait_name)
            .field("cases", &self.names().collect::<Vec<_>>())
            .finish()
    }
}

/// Runs a case in a runtime of its own, within [`LIMIT`].
fn run(case: impl Future<Output = Verdict>) -> Verdict {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|e| format!("cannot start a runtime: {e}"))?;
    let result = runtime.block_on(async { tokio::time::timeout(LIMIT, case).await });
    // A call that never ends must not keep the next case from running.
    runtime.shutdown_background();
    result.unwrap_or_else(|_| Err(format!("the case did not end within {LIMIT:?}")))
}

/// Runs the trials as a test program, with the arguments of `cargo test`; blocks.
#[must_use]
pub fn main(trials: Vec<Trial>) -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// Says that a suite is left out because what it needs is not here: no trial, but a line on standard output. In CI
/// (variable `CI`) a trial that fails instead.
#[must_use]
#[expect(clippy::print_stdout, reason = "a test program's own word about what it leaves out")]
pub fn skipped(suite: &str, why: &str, in_ci: bool) -> Vec<Trial> {
    if in_ci {
        let why = why.to_owned();
        return vec![Trial::test(format!("{suite}::is_there"), move || Err(Failed::from(why)))];
    }
    println!("skipped: {suite}: {why}");
    Vec::new()
}
