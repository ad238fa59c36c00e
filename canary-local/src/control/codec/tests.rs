use canary_core::fleet::{Digest, HttpPath};
use proptest::prelude::*;

use super::*;

fn node() -> impl Strategy<Value = NodeId> {
    "[a-z0-9][a-z0-9._-]{0,20}".prop_map(|name| NodeId::new(name).unwrap())
}

fn check() -> impl Strategy<Value = HealthCheck> {
    (any::<u16>(), "/[a-z/?=]{0,30}", 0_u64..1 << 40).prop_map(|(port, path, ms)| HealthCheck {
        port,
        path: HttpPath::new(path).unwrap(),
        attempt_timeout: Duration::from_millis(ms),
    })
}

fn call() -> impl Strategy<Value = Call> {
    let path = "(/[a-z0-9 ]{1,9}){1,5}".prop_map(|path| RemotePath::new(path).unwrap());
    let state = prop_oneof![Just(AdminState::Ready), Just(AdminState::Drain), Just(AdminState::Maint)];
    prop_oneof![
        Just(Call::About),
        Just(Call::Servers),
        (node(), state).prop_map(|(node, state)| Call::SetAdmin { node, state }),
        (node(), 0_u16..=256)
            .prop_map(|(node, weight)| Call::SetWeight { node, weight: Weight::new(weight).unwrap() }),
        node().prop_map(|node| Call::CloseSessions { node }),
        check().prop_map(|check| Call::CheckThrough { check }),
        node().prop_map(|node| Call::Installed { node }),
        (node(), path).prop_map(|(node, path)| Call::Inspect { node, path }),
        node().prop_map(|node| Call::Restart { node }),
        node().prop_map(|node| Call::Service { node }),
        (node(), check()).prop_map(|(node, check)| Call::Check { node, check }),
        (node(), any::<u16>()).prop_map(|(node, lines)| Call::Logs { node, lines }),
    ]
}

proptest! {
    #[test]
    fn a_call_survives_the_way(call in call()) {
        let text = serde_json::to_vec(&call).unwrap();
        prop_assert_eq!(serde_json::from_slice::<Call>(&text).unwrap(), call);
    }

    #[test]
    fn an_installation_survives_the_way(node in node(), content in any::<Vec<u8>>(), size in any::<u64>()) {
        let facts = FileFacts { sha256: Digest::of(&content), size };
        let path = Route::install(&node, &facts);
        prop_assert_eq!(Route::of("PUT", &path), Route::Install { node, facts });
    }

    #[test]
    fn nothing_that_comes_in_panics(bytes in any::<Vec<u8>>(), method in ".{0,8}", path in ".{0,99}") {
        let _ = serde_json::from_slice::<Call>(&bytes);
        let _ = serde_json::from_slice::<FileOf>(&bytes);
        let _ = Route::of(&method, &path);
        if let Ok(refusal) = serde_json::from_slice::<Refusal>(&bytes) {
            let _ = refusal.into_error();
        }
    }

    #[test]
    fn an_error_survives_the_way(
        kind in 0_usize..KINDS.len(),
        outcome in 0_usize..3,
        after in proptest::option::of(0_u64..1 << 40),
        message in "[a-z][a-z ]{0,50}",
    ) {
        let outcome = [CallOutcome::NotApplied, CallOutcome::Applied, CallOutcome::Unknown][outcome];
        let error = BackendError::new(KINDS[kind], BACKEND, "install the artifact", message)
            .outcome_is(outcome)
            .with("node", "n-1")
            .caused_by(std::io::Error::other("no space"));
        let error = match after {
            Some(after) => error.transient(Duration::from_millis(after)),
            None => error,
        };
        let text = serde_json::to_vec(&Refusal::of(&error)).unwrap();
        let back = serde_json::from_slice::<Refusal>(&text).unwrap().into_error();
        prop_assert_eq!(
            (back.kind(), back.outcome(), back.retry(), back.chain()),
            (error.kind(), error.outcome(), error.retry(), error.chain())
        );
    }
}

#[test]
fn strange_paths_lead_nowhere() {
    let digest = Digest::of(b"x");
    for (method, path) in [
        ("GET", "/v1/call".to_owned()),
        ("POST", "/v1".to_owned()),
        ("PUT", format!("/v1/install/../{digest}/1")),
        ("PUT", format!("/v1/install/a;b/{digest}/1")),
        ("PUT", format!("/v1/install/a/{digest}/-1")),
        ("PUT", "/v1/install/a/abc/1".to_owned()),
    ] {
        assert_eq!(Route::of(method, &path), Route::Unknown, "{path}");
    }
    for path in ["/v2/call", "/", "/call", "/v/call", "/v01x/call"] {
        assert_eq!(Route::of("POST", path), Route::OtherVersion, "{path}");
    }
}

#[test]
fn every_kind_has_a_word_of_its_own() {
    let words: std::collections::BTreeSet<_> = KINDS.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(words.len(), KINDS.len());
}
