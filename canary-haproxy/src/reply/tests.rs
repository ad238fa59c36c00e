use canary_core::fleet::{NodeId, PoolName};
use canary_core::traits::{AdminState, Retry};
use proptest::prelude::*;

use super::*;

fn write() -> Command {
    let (pool, node) = (PoolName::new("api_pool").unwrap(), NodeId::new("n1").unwrap());
    Command::set_state(&pool, &node, AdminState::Drain)
}

#[test]
fn every_word_of_haproxy_has_a_meaning() {
    use CallOutcome::{NotApplied, Unknown};
    use ErrorKind::{NotFound, Protocol, Refused, Unauthorised, Unsupported};
    let cases = [
        ("No such server.\n\n", NotFound, NotApplied, false),
        ("No such backend.\n\n", NotFound, NotApplied, false),
        ("Can't find backend.\n\n", NotFound, NotApplied, false),
        ("Permission denied\n\n", Unauthorised, NotApplied, false),
        ("Unknown command: 'set', but maybe …\n  help\n\n", Unsupported, NotApplied, false),
        (
            "Unknown command. Please enter one of the following commands only:\n\n",
            Unsupported,
            NotApplied,
            false,
        ),
        (
            "Backend is using a static LB algorithm and only accepts weights '0%'…\n\n",
            Refused,
            NotApplied,
            false,
        ),
        ("Absolute weight can only be between 0 and 256 inclusive.\n\n", Refused, NotApplied, false),
        ("'set server <srv> state' expects 'ready', 'drain' and 'maint'.\n\n", Refused, NotApplied, false),
        ("Require 'backend/server'.\n\n", Refused, NotApplied, false),
        ("Something HAProxy 4 says.\n\n", Refused, Unknown, false),
        ("", Protocol, Unknown, true),
        ("No such ser", Protocol, Unknown, true),
        ("1\n# be_id", Protocol, Unknown, true),
        ("<html><body>400</body></html>\n\n", Protocol, Unknown, false),
        ("HTTP/1.0 400 Bad request\r\n\r\n", Protocol, Unknown, false),
        ("\0\u{fffd}\u{7}", Protocol, Unknown, true),
    ];
    for (raw, kind, outcome, transient) in cases {
        let error = body(&write(), raw).unwrap_err();
        assert_eq!((error.kind(), error.outcome()), (kind, outcome), "{raw:?}: {error}");
        assert_eq!(matches!(error.retry(), Retry::Transient { .. }), transient, "{raw:?}: {error}");
        assert!(error.to_string().contains("set server api_pool/n1 state drain"), "{error}");
    }
}

#[test]
fn a_read_that_fails_has_changed_nothing() {
    for raw in ["", "cut", "<html>", "Permission denied\n\n"] {
        let error = body(&Command::show_info(), raw).unwrap_err();
        assert_eq!(error.outcome(), CallOutcome::NotApplied, "{raw:?}");
    }
}

#[test]
fn bodies_come_without_the_closing_line() {
    assert_eq!(body(&write(), "\n").unwrap(), "");
    assert_eq!(body(&Command::show_info(), "a: 1\nb: 2\n\n").unwrap(), "a: 1\nb: 2\n");
}

#[test]
fn long_replies_are_quoted_in_part() {
    let raw = format!("{}\n\n", "x".repeat(10_000));
    let error = body(&write(), &raw).unwrap_err();
    assert_eq!(error.message().chars().count(), 201);
}

proptest! {
    #[test]
    fn any_text_is_a_body_or_an_error(raw in "(\\PC|\n|\r|\0){0,60}") {
        for command in [write(), Command::show_info()] {
            match body(&command, &raw) {
                Ok(body) => prop_assert_eq!(raw.strip_suffix('\n'), Some(body)),
                Err(error) => prop_assert!(error.message().chars().count() < 400),
            }
        }
    }
}
