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
fn pods_need_an_image_and_names_that_the_cluster_takes() {
    let world = world(service());
    let told = world.again(&["tenants", "probe", "--probes", "kubernetes"]).run();
    assert!(told.starts_with("exit code 2\n") && told.contains("--probe-image"), "{told}");
}

#[cfg(feature = "kubernetes")]
#[test]
fn a_namespace_out_of_form_is_refused_before_anybody_is_asked() {
    let world = world(service());
    let arguments =
        ["tenants", "probe", "--probes", "kubernetes", "--probe-image", "i", "--probe-namespace", "Not.One"];
    let told = world.again(&arguments).run();
    assert!(
        told.starts_with("exit code 2\n") && told.contains("the namespace \"Not.One\" is not a name"),
        "{told}"
    );
}

#[cfg(not(feature = "docker"))]
#[test]
fn a_program_without_docker_says_how_to_build_one() {
    let told = world(service()).again(&["tenants", "probe", "--probes", "docker"]).run();
    assert!(
        told.starts_with("exit code 2\n")
            && told.contains("probes.runner: this program was built without Docker")
            && told.contains("--features docker"),
        "{told}"
    );
}

#[cfg(feature = "docker")]
#[test]
fn containers_need_a_program_and_an_engine() {
    let world = world(service());
    let program = world.directory.path().join("canary-probe");
    let docker = |more: &[&'static str]| [&["tenants", "probe", "--probes", "docker"], more].concat();
    let told = world.again(&docker(&["--probe-program", "canary-probe"]));
    let text = told.run();
    assert!(
        text.starts_with("exit code 2\n") && text.contains("canary-probe for containers to run"),
        "{text}"
    );
    assert!(text.contains("scripts/probe"), "{text}");
    std::fs::write(program, "a program").unwrap();
    let host = ["--probe-program", "canary-probe", "--docker-host", "ssh://h"];
    let world = told.again(&docker(&host));
    let text = world.run();
    assert!(text.starts_with("exit code 2\n") && text.contains("probes.docker_host: "), "{text}");
    let roots = ["--probe-program", "canary-probe", "--probe-roots", "gone.pem"];
    let world = world.again(&docker(&roots));
    let text = world.run();
    assert!(text.starts_with("exit code 2\n") && text.contains("probes.roots: cannot read"), "{text}");
    // Nobody is there: whoever was to be asked is unknown, and nobody unhealthy.
    let gone = ["--probe-program", "canary-probe", "--docker-host", "unix:///no/such/socket"];
    let text = world.again(&docker(&gone)).run();
    assert!(text.starts_with("exit code 22\n") && text.contains("unknown  acme"), "{text}");
    assert!(
        text.contains("0 healthy, 0 unhealthy, 3 unknown; 2 batches by containers of the Docker Engine at"),
        "{text}"
    );
}
