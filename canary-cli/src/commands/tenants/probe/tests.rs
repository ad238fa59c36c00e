//! Whole command lines against a service of a thread's own.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};

use crate::testing::World;

/// A service in which tenant `acme` is broken.
fn service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut first = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            if reader.read_line(&mut first).is_err() {
                continue;
            }
            let mut header = String::new();
            while reader.read_line(&mut header).is_ok_and(|read| read > 2) {
                header.clear();
            }
            let status = if first.contains("/acme/") { "503 Service Unavailable" } else { "200 OK" };
            let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    address
}

fn world(address: SocketAddr) -> World {
    let world = World::new();
    let policy = format!(
        "version: sla/v1\nsources: [{{name: eu, kind: prometheus, url: \"http://eu:9090\"}}]\nobjectives:\n  health: {{kind: probe, url: \"http://{address}/t/{{tenant}}/health\", limit: 5s, tries: 1}}\ndecision: {{tenant_batch_size: 2}}\ntenants:\n  acme: {{}}\n  b: {{}}\n  c: {{}}\n"
    );
    std::fs::write(world.directory.path().join("sla.yaml"), policy).unwrap();
    world
}

#[test]
fn who_does_not_answer_as_promised_is_named() {
    let world = world(service()).again(&["tenants", "probe"]);
    let told = world.run();
    assert!(told.starts_with("exit code 20\n"), "{told}");
    assert!(told.contains("unhealthy  acme  health  1 try") && told.contains("503"), "{told}");
    assert!(told.contains("2 healthy, 1 unhealthy, 0 unknown; 2 batches by this process in"), "{told}");
    let told = world.again(&["tenants", "probe", "--output", "json"]).run();
    assert_eq!(told.matches("\"event\":\"probed\"").count(), 3, "{told}");
    assert!(told.contains("\"tally\":{\"count\":3,\"healthy\":2,\"unhealthy\":1,\"unknown\":0}"), "{told}");
}

#[test]
fn a_policy_without_probes_has_nothing_to_ask() {
    let world = world(service());
    let path = world.directory.path().join("sla.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once("  health:").unwrap();
    let rest = rest.split_once('\n').unwrap().1;
    let other = "  errors: {kind: ratio, bad: b_total, total: t_total, limit: \"0.010\"}\n";
    std::fs::write(&path, format!("{before}{other}{rest}")).unwrap();
    let told = world.again(&["tenants", "probe"]).run();
    assert!(told.starts_with("exit code 2\n") && told.contains("no objective of kind probe"), "{told}");
}

#[test]
fn kubernetes_needs_an_image_and_names_that_it_takes() {
    let world = world(service());
    let told = world.again(&["tenants", "probe", "--in", "kubernetes"]).run();
    assert!(told.starts_with("exit code 2\n") && told.contains("--image"), "{told}");
}

#[cfg(feature = "kubernetes")]
#[test]
fn a_namespace_out_of_form_is_refused_before_anybody_is_asked() {
    let world = world(service());
    let arguments = ["tenants", "probe", "--in", "kubernetes", "--image", "i", "--namespace", "Not.One"];
    let told = world.again(&arguments).run();
    assert!(
        told.starts_with("exit code 2\n") && told.contains("the namespace \"Not.One\" is not a name"),
        "{told}"
    );
}
