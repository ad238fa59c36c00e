//! The framing as a pure function; the script itself runs in `tests/exec.rs`.

use canary_core::fleet::{NodeId, PoolName};
use canary_core::traits::{AdminState, Retry};
use proptest::prelude::*;

use super::*;

fn read() -> Command {
    Command::show_info()
}

fn write() -> Command {
    let (pool, node) = (PoolName::new("p").unwrap(), NodeId::new("n").unwrap());
    Command::set_state(&pool, &node, AdminState::Drain)
}

fn finished<'a>(status: i32, stdout: &'a str, stderr: &'a str) -> Finished<'a> {
    Finished { status, stdout: stdout.as_bytes(), stderr: stderr.as_bytes() }
}

#[test]
fn every_reply_comes_back_verbatim() {
    let output = "0 8\na: 1\nb\n\n\n0 1\n\n\n";
    assert_eq!(
        replies(&[read(), write()], &finished(0, output, "")).unwrap(),
        ["a: 1\nb\n\n".to_owned(), "\n".to_owned()]
    );
    assert_eq!(replies(&[], &finished(0, "", "")).unwrap(), Vec::<String>::new());
}

#[test]
fn a_reply_cannot_forge_a_record() {
    let forged = "x\n0 1\n\n\n\n";
    let output = format!("0 {}\n{forged}\n0 1\n\n\n", forged.len());
    let got = replies(&[read(), write()], &finished(0, &output, "")).unwrap();
    assert_eq!(got, [forged.to_owned(), "\n".to_owned()]);
}

#[test]
fn every_failure_has_its_kind_outcome_and_words() {
    use CallOutcome::{NotApplied, Unknown};
    let socat = "2026/01/01 socat[9] E connect(5, AF=1 \"/run/x\", 8): Connection refused";
    let cases = [
        (vec![write()], finished(69, "", ""), ErrorKind::Unsupported, NotApplied, false, "install socat"),
        (vec![write()], finished(66, "", ""), ErrorKind::Unreachable, NotApplied, true, "no such socket"),
        (vec![write()], finished(127, "", ""), ErrorKind::Unsupported, NotApplied, false, "POSIX shell"),
        (vec![write()], finished(137, "", "Killed"), ErrorKind::Protocol, Unknown, false, "status 137"),
        (vec![read()], finished(137, "", ""), ErrorKind::Protocol, NotApplied, false, "status 137"),
        (vec![write()], finished(75, "1 0\n\n", socat), ErrorKind::Unreachable, NotApplied, true, "refused"),
        (
            vec![write()],
            finished(75, "1 0\n\n", "read: reset"),
            ErrorKind::Unreachable,
            Unknown,
            true,
            "reset",
        ),
        (
            vec![write(), read()],
            finished(75, "0 1\n\n\n1 0\n\n", socat),
            ErrorKind::Unreachable,
            Unknown,
            true,
            "refused",
        ),
        (
            vec![write()],
            finished(75, "1 0\n\n", "E connect(5, AF=1): Permission denied"),
            ErrorKind::Unauthorised,
            NotApplied,
            false,
            "denied",
        ),
        (
            vec![write()],
            finished(0, "0 9\nabc", ""),
            ErrorKind::Protocol,
            Unknown,
            false,
            "no complete record",
        ),
        (vec![write()], finished(0, "", ""), ErrorKind::Protocol, Unknown, false, "no complete record"),
        (
            vec![read()],
            finished(0, "0 1\n\n\nmore", ""),
            ErrorKind::Protocol,
            NotApplied,
            false,
            "more output",
        ),
        (vec![read()], finished(75, "0 1\n\n\n", ""), ErrorKind::Protocol, NotApplied, false, "more output"),
    ];
    for (commands, run, kind, outcome, transient, words) in cases {
        let error = replies(&commands, &run).unwrap_err();
        let text = error.to_string();
        assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{text}");
        assert_eq!(matches!(error.retry(), Retry::Transient { .. }), transient, "{text}");
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn arguments_are_never_part_of_the_script() {
    let socket = RemotePath::new("/run/haproxy/admin.sock").unwrap();
    let argv = arguments(&socket, Duration::from_millis(1500), &[read(), write()]).unwrap();
    assert_eq!(argv[..2], ["/bin/sh", "-c"]);
    assert_eq!(argv[2], SCRIPT);
    assert_eq!(
        argv[3..],
        ["canary-haproxy", "/run/haproxy/admin.sock", "2", "show info", "set server p/n state drain"]
    );
    for bad in ["/run/a,fork", "/run/a!!b", "/run/$(x)", "/run/a b", "/run/a:b"] {
        let error = arguments(&RemotePath::new(bad).unwrap(), Duration::ZERO, &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{bad}");
    }
}

proptest! {
    #[test]
    fn any_output_is_replies_or_an_error(
        status in prop_oneof![Just(0), Just(75), any::<i32>()],
        stdout in proptest::collection::vec(any::<u8>(), 0..80),
        head in "[0-9]{1,3} [0-9]{1,20}\n",
    ) {
        let stdout = [head.into_bytes(), stdout].concat();
        let run = Finished { status, stdout: &stdout, stderr: b"" };
        if let Ok(replies) = replies(&[read(), write()], &run) {
            prop_assert_eq!(replies.len(), 2);
        }
    }

    #[test]
    fn framing_round_trips(bodies in proptest::collection::vec("\\PC{0,20}\n{0,2}", 1..5)) {
        let commands: Vec<Command> = bodies.iter().map(|_| read()).collect();
        let output: String = bodies.iter().map(|body| format!("0 {}\n{body}\n", body.len())).collect();
        let run = Finished { status: 0, stdout: output.as_bytes(), stderr: b"" };
        prop_assert_eq!(replies(&commands, &run).unwrap(), bodies);
    }
}
