//! What the documents quote is in the sources: messages, tests, excerpts, and every outcome and every hold.

use canary_core::analysis::{HoldReason, SHARE_TOLERANCE, ShareCause, ShareHold, ShareSeen};
use canary_core::engine::{AfterHold, Outcome};
use canary_core::traits::ErrorKind;

use crate::markdown::{files, parts, root, spans};

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// The sources and the snapshots of what the programs print, with strings that go over several lines in one.
fn sources() -> Vec<String> {
    let mut all: Vec<String> = files(".rs")
        .into_iter()
        .filter(|(path, _)| !path.starts_with("examples/"))
        .map(|(_, text)| joined(&text))
        .collect();
    all.extend(files(".snap").into_iter().map(|(_, text)| text));
    all
}

/// A source in which a string's `\` at the end of a line, the line feed and the blanks after it are gone.
fn joined(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut lines = source.lines().peekable();
    while let Some(line) = lines.next() {
        match line.strip_suffix('\\') {
            Some(start) => {
                text.push_str(start);
                if let Some(next) = lines.peek_mut() {
                    *next = next.trim_start();
                }
            }
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    text.replace("\\\"", "\"")
}

/// Whether some source holds every piece of a message, `…` standing for what differs from time to time.
fn is_said(message: &str, sources: &[String]) -> bool {
    let pieces: Vec<&str> = message.split('…').map(str::trim).filter(|piece| !piece.is_empty()).collect();
    let long = pieces.iter().map(|piece| piece.len()).sum::<usize>() >= 8;
    long && sources.iter().any(|source| pieces.iter().all(|piece| source.contains(piece)))
}

/// Every kind of an error but `Other`, which says nothing by itself.
const KINDS: [ErrorKind; 10] = [
    ErrorKind::NotFound,
    ErrorKind::Refused,
    ErrorKind::Unauthorised,
    ErrorKind::Unsupported,
    ErrorKind::TimedOut,
    ErrorKind::Unreachable,
    ErrorKind::Protocol,
    ErrorKind::Mismatch,
    ErrorKind::Exhausted,
    ErrorKind::LocalIo,
];

/// Every heading of the third level quotes the messages it is about.
#[test]
fn the_messages_of_troubleshooting_are_said() {
    let text = read("docs/troubleshooting.md");
    let sources = sources();
    let mut seen = 0;
    for heading in parts(&text).0.iter().filter(|line| line.starts_with("### ")) {
        let quoted: Vec<&str> = spans(heading).collect();
        assert!(!quoted.is_empty(), "{heading} quotes nothing");
        for message in quoted {
            assert!(is_said(message, &sources), "nothing says {message:?}");
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen} messages");
    assert!(!is_said("the moon is not in its place", &sources));
    for kind in KINDS {
        assert!(text.contains(&format!("| `{}` |", kind.as_str())), "no row for {kind:?}");
    }
}

/// A code span of words joined by underscores, three or more, is the name of a test.
#[test]
fn the_tests_of_the_security_model_are_there() {
    let text = read("docs/security.md");
    let sources: Vec<(String, String)> = files(".rs");
    let name = |span: &&str| {
        span.matches('_').count() >= 2
            && span.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    let mut seen = 0;
    for test in parts(&text).0.iter().flat_map(|line| spans(line)).filter(name) {
        let there = sources.iter().any(|(_, source)| source.contains(&format!("fn {test}(")));
        assert!(there, "there is no test {test}");
        seen += 1;
    }
    assert!(seen > 15, "{seen} tests");
}

/// Blocks marked `rust,ignore` are excerpts of the example, whatever their indentation.
#[test]
fn the_excerpts_are_of_the_example() {
    let flat =
        |text: &str| text.lines().map(str::trim).filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n");
    let source = flat(&read("examples/src/edge_backend.rs"));
    let text = read("docs/writing-a-backend.md");
    let (_, blocks) = parts(&text);
    let excerpts: Vec<_> = blocks.iter().filter(|block| block.info == "rust,ignore").collect();
    for block in &excerpts {
        let text = flat(&block.lines.join("\n"));
        assert!(source.contains(&text), "src/edge_backend.rs does not hold\n{text}");
    }
    assert!(excerpts.len() > 3, "{} excerpts", excerpts.len());
}

/// Every reason to hold, in its own words; a new one does not compile here until it is listed.
#[test]
fn judging_tells_every_hold() {
    let number = |text: &str| text.parse().unwrap();
    let all = [
        HoldReason::NoTraffic,
        HoldReason::TooFewRequests { seen: 3, needed: 20 },
        HoldReason::Absent,
        HoldReason::Stale,
        HoldReason::SourceDown { error: "…".to_owned() },
        HoldReason::NotANumber,
        HoldReason::Infinite,
        HoldReason::SeveralSeries { count: 2 },
        HoldReason::OutOfBuckets { largest: number("0.25") },
        HoldReason::Warnings { warnings: vec!["…".to_owned()] },
        HoldReason::Filling,
        HoldReason::Uncalibrated { evidence: "…".to_owned() },
        HoldReason::NoisierThanHistory { evidence: "…".to_owned() },
        HoldReason::Score { green: 2, all: 3 },
        HoldReason::CommonFault { baseline: number("0.03") },
        HoldReason::Unconfirmed { baseline: number("0.001") },
        HoldReason::share(ShareHold::Off {
            share: ShareSeen::of(0.5, 100, 1000, SHARE_TOLERANCE).unwrap(),
            causes: vec![ShareCause::Sticky { by: "cookie \"SRV\"".to_owned() }],
        }),
        HoldReason::share(ShareHold::Unknown { error: "…".to_owned() }),
        HoldReason::Check { check: "schema".to_owned(), why: "…".to_owned() },
    ];
    let text = read("docs/judging.md");
    for hold in all {
        let listed = match hold {
            HoldReason::NoTraffic
            | HoldReason::TooFewRequests { .. }
            | HoldReason::Absent
            | HoldReason::Stale
            | HoldReason::SourceDown { .. }
            | HoldReason::NotANumber
            | HoldReason::Infinite
            | HoldReason::SeveralSeries { .. }
            | HoldReason::OutOfBuckets { .. }
            | HoldReason::Warnings { .. }
            | HoldReason::Filling
            | HoldReason::Uncalibrated { .. }
            | HoldReason::NoisierThanHistory { .. }
            | HoldReason::CommonFault { .. }
            | HoldReason::Unconfirmed { .. }
            | HoldReason::Share { .. }
            | HoldReason::Check { .. }
            | HoldReason::Score { .. } => format!("`{hold}`"),
        };
        assert!(text.contains(&listed), "docs/judging.md does not tell {listed}");
    }
}

/// Every outcome with its exit code; a new one does not compile here until it is listed.
#[test]
fn exit_codes_tells_every_outcome() {
    let text = String::new;
    let all = [
        Outcome::Completed { changed: true },
        Outcome::Refused { reasons: Vec::new() },
        Outcome::RolledBack { reason: text() },
        Outcome::Halted { reason: text() },
        Outcome::Inconclusive { why: text(), then: AfterHold::Kept },
        Outcome::Stuck { reason: text() },
        Outcome::Interrupted { at: text() },
    ];
    let table = read("docs/exit-codes.md");
    for outcome in all {
        let name = match outcome {
            Outcome::Interrupted { .. } => "(interrupted)",
            Outcome::Completed { .. }
            | Outcome::Refused { .. }
            | Outcome::RolledBack { .. }
            | Outcome::Halted { .. }
            | Outcome::Inconclusive { .. }
            | Outcome::Stuck { .. } => outcome.as_str(),
        };
        let code = format!(" {} |", outcome.exit_code());
        let told = table.lines().any(|line| line.starts_with(&format!("| {name} |")) && line.contains(&code));
        assert!(told, "docs/exit-codes.md does not tell {name} ({code}");
    }
}
