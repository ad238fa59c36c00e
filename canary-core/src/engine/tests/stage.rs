//! Staging: what is copied, and what was changed since the plan was made.

use super::*;

/// A rollout whose way back is a file on this host.
async fn from_host() -> (Scene, Plan) {
    let mut scene = Scene::new(Behaviour::Good);
    scene.spec.watch = None;
    let old = scene.dir.path().join("old");
    std::fs::write(&old, OLD).unwrap();
    let facts = Artifact::read(&old).unwrap().facts;
    let back = Some(WayBack { origin: Origin::Host { path: old }, facts });
    let snapshot = scene.backends.observe(scene.spec.nodes()).await.unwrap();
    let plan = plan::roll_out(scene.spec.clone(), scene.artifact(), back, scene.store(), &snapshot).unwrap();
    (scene, plan)
}

async fn staged(scene: &Scene, plan: Plan) -> Outcome {
    roll_out(&scene.backends, plan, permit(), order(), &Control::default()).await.unwrap().outcome
}

#[tokio::test]
async fn whichever_of_the_two_is_copied_is_a_change_of_the_store() {
    for there in [NEW, OLD] {
        let (scene, plan) = from_host().await;
        std::fs::create_dir(scene.store()).unwrap();
        std::fs::write(scene.store().join(Digest::of(there).to_string()), there).unwrap();
        assert_eq!(staged(&scene, plan).await, Outcome::Completed { changed: true });
        assert!(scene.done(&Step::stage()).await.0);
        for bytes in [NEW, OLD] {
            assert_eq!(std::fs::read(scene.store().join(Digest::of(bytes).to_string())).unwrap(), bytes);
        }
    }
}

#[tokio::test]
async fn a_file_that_was_changed_since_the_plan_was_made_is_refused() {
    for name in ["new", "old"] {
        let (scene, plan) = from_host().await;
        let path = scene.dir.path().join(name);
        std::fs::write(&path, b"something else").unwrap();
        let expected = Digest::of(if name == "new" { NEW } else { OLD });
        let reason = format!(
            "stage: {} changed since the plan was made: digest {}, expected {expected}",
            path.display(),
            Digest::of(b"something else")
        );
        assert_eq!(staged(&scene, plan).await, Outcome::Refused { reasons: vec![reason] });
        assert_eq!(scene.effects(), [""; 0]);
        let left: Vec<_> =
            std::fs::read_dir(scene.store()).unwrap().map(|file| file.unwrap().path()).collect();
        assert!(left.iter().all(|file| file.extension().is_none()), "nothing half-way is left: {left:?}");
    }
}

#[tokio::test]
async fn a_way_back_in_an_instance_that_was_changed_since_is_refused() {
    let scene = Scene::new(Behaviour::Good);
    let plan = scene.plan().await;
    let other = scene.world.binary(b"something else", Behaviour::Good);
    scene.world.state().nodes.get_mut(&node("a")).unwrap().installed = other;
    let reason = format!(
        "stage: /opt/app/app in a changed since the plan was made: digest {other}, expected {}",
        Digest::of(OLD)
    );
    assert_eq!(staged(&scene, plan).await, Outcome::Refused { reasons: vec![reason] });
    assert_eq!(scene.effects(), [""; 0]);
}
