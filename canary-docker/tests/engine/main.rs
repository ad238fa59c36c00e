//! Probes in containers of a real Docker Engine, started here as root.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "what it took, and what is skipped, has to be said")]

mod killed;
mod watched;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{CreateContainerOptions, ListContainersOptions};
use bollard::{API_DEFAULT_VERSION, Docker};
use canary_docker::{DockerProbes, DockerSettings, ProbeImage};
use canary_tenants::probe::{ProbeCheck, ProbeResult, ProbeRound, ProbeRunner};
use canary_testkit::DockerEngine;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The static program, of the newest library that is built: only the last step is another, and takes a second.
fn program(directory: &Path) -> PathBuf {
    // target/debug/deps/engine-…: the libraries lie beside it.
    let test = std::env::current_exe().unwrap();
    let built = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libcanary_probe-") && name.ends_with(".rlib")
    };
    let beside = std::fs::read_dir(test.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let libraries = beside.filter(built);
    let library = libraries.max_by_key(|path| path.metadata().unwrap().modified().unwrap()).unwrap();
    let own = directory.join("canary-probe");
    let made = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/probe"))
        .args([own.as_os_str(), "dev".as_ref(), library.as_os_str()])
        .status()
        .unwrap();
    assert!(made.success());
    own
}

/// A service that answers 200, and 503 where the path has `down`; whoever comes while it holds never hears anything.
struct Service {
    url: String,
    holds: Arc<AtomicBool>,
    /// How many wait in vain.
    waiting: Arc<AtomicUsize>,
}

impl Service {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/{{tenant}}", listener.local_addr().unwrap());
        let service = Self { url, holds: Arc::default(), waiting: Arc::default() };
        let (holds, waiting) = (Arc::clone(&service.holds), Arc::clone(&service.waiting));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (held, waiting) = (holds.load(Ordering::SeqCst), Arc::clone(&waiting));
                tokio::spawn(async move {
                    if !held {
                        return answer(stream).await;
                    }
                    waiting.fetch_add(1, Ordering::SeqCst);
                    while stream.read_u8().await.is_ok() {}
                    waiting.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        service
    }
}

async fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let down = String::from_utf8_lossy(&head).lines().next().unwrap().contains("down");
    let status = if down { "503 Service Unavailable" } else { "200 OK" };
    let text = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    let _ = stream.write_all(text.as_bytes()).await;
}

fn round(id: &str, template: &str, tenants: &[String]) -> ProbeRound {
    let check = ProbeCheck { timeout_us: 20_000_000, tries: 1, spread_us: 1_000, ..ProbeCheck::default() };
    ProbeRound::asking(id, "up", &template.parse().unwrap(), tenants, &check, 20).unwrap()
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|n| if n % 10 == 7 { format!("t{n}-down") } else { format!("t{n}") }).collect()
}

async fn containers(docker: &Docker) -> Vec<String> {
    let options = ListContainersOptions { all: true, ..ListContainersOptions::default() };
    let all = docker.list_containers(Some(options)).await.unwrap();
    all.into_iter().filter_map(|container| container.id).collect()
}

fn whys(results: &[ProbeResult], part: &str) {
    assert!(!results.is_empty());
    for result in results {
        let why = result.verdict.why().unwrap_or_default();
        assert!(result.verdict.as_str() == "unknown" && why.contains(part), "{result:?}");
    }
}

/// One engine for all: starting one takes seconds.
#[tokio::test(flavor = "multi_thread")]
async fn probes_run_in_containers_and_leave_nothing() {
    let Some(engine) = DockerEngine::start() else { return };
    let directory = tempfile::tempdir().unwrap();
    let mut settings = DockerSettings::new(ProbeImage::Program(program(directory.path())));
    settings.host = engine.host();
    let docker = Docker::connect_with_unix(&engine.host(), 60, API_DEFAULT_VERSION).unwrap();
    let docker = docker.negotiate_version().await.unwrap();
    let service = Service::start().await;
    let url = service.url.as_str();
    let begun = Instant::now();
    let told = |what: &str| println!("{what} after {} ms", begun.elapsed().as_millis());

    good_and_bad(&settings, &docker, url).await;
    told("good and bad");
    many(&settings, &docker, url).await;
    orphans(&settings, &docker, url).await;
    told("many, and orphans");
    killed::killed(directory.path(), &engine, &docker, &service).await;
    told("the killed program");
    watched::watched(directory.path(), &engine, &docker, &service).await;
    told("a rollout's watch");
    infrastructure(&settings, &docker, url).await;
    told("the infrastructure's faults");
    assert!(containers(&docker).await.is_empty());
    drop(engine);
    told("the engine's end");
    let gone = DockerProbes::new(settings).unwrap().run(&round("late", url, &names(2)), &()).await;
    whys(&gone, "connecting to the Docker Engine");
    let elsewhere = DockerSettings {
        host: "ssh://h".to_owned(),
        ..DockerSettings::new(ProbeImage::Named("x".to_owned()))
    };
    assert!(DockerProbes::new(elsewhere).is_err());
}

async fn good_and_bad(settings: &DockerSettings, docker: &Docker, url: &str) {
    let runner = DockerProbes::new(settings.clone()).unwrap();
    let tenants = names(30);
    // Twice: the image is made once.
    for id in ["first", "second"] {
        let results = runner.run(&round(id, url, &tenants), &()).await;
        let wrong = |(name, result): &(&String, &ProbeResult)| {
            let expected = if name.ends_with("down") { "unhealthy" } else { "healthy" };
            result.tenant != **name || result.verdict.as_str() != expected
        };
        let wrong: Vec<_> = tenants.iter().zip(&results).filter(wrong).collect();
        assert!(results.len() == 30 && wrong.is_empty(), "{wrong:?}");
        assert!(containers(docker).await.is_empty());
    }
    assert_eq!(
        docker.list_images(None::<bollard::query_parameters::ListImagesOptions>).await.unwrap().len(),
        1
    );
}

/// 500 tenants in 25 containers; what that took is printed, and depends on the machine.
async fn many(settings: &DockerSettings, docker: &Docker, url: &str) {
    let tenants: Vec<String> = (0..500).map(|n| format!("m{n}")).collect();
    let begun = std::time::Instant::now();
    let results = DockerProbes::new(settings.clone()).unwrap().run(&round("many", url, &tenants), &()).await;
    println!("500 tenants in 25 containers: {} ms", begun.elapsed().as_millis());
    assert!(results.len() == 500 && results.iter().all(|result| result.verdict.as_str() == "healthy"));
    assert!(containers(docker).await.is_empty());
}

/// A container that somebody left, or has.
async fn left(docker: &Docker, owner: &str, until: u64) -> String {
    let image =
        docker.list_images(None::<bollard::query_parameters::ListImagesOptions>).await.unwrap().remove(0);
    let labels = [("round", "other"), ("owner", owner), ("until", &until.to_string())]
        .map(|(key, value)| (format!("canary.probe.{key}"), value.to_owned()));
    let body = ContainerCreateBody {
        image: Some(image.id),
        cmd: Some(vec!["/canary-probe".to_owned()]),
        labels: Some(HashMap::from(labels)),
        ..ContainerCreateBody::default()
    };
    docker.create_container(None::<CreateContainerOptions>, body).await.unwrap().id
}

async fn orphans(settings: &DockerSettings, docker: &Docker, url: &str) {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap();
    let owner = |id: u32, start: &str| format!("{} {} {id} {start}", boot.trim(), namespace.display());
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let start = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().to_owned();
    let far = u64::MAX >> 12;
    let alive = left(docker, &owner(std::process::id(), &start), far).await;
    let elsewhere = left(docker, "another-boot pid:[1] 1 1", far).await;
    let killed = left(docker, &owner(std::process::id(), "1"), far).await;
    let past = left(docker, "another-boot pid:[1] 1 1", 1).await;
    let results =
        DockerProbes::new(settings.clone()).unwrap().run(&round("third", url, &names(2)), &()).await;
    assert!(results.iter().all(|result| result.verdict.as_str() == "healthy"), "{results:?}");
    let there = containers(docker).await;
    assert!(there.contains(&alive) && there.contains(&elsewhere), "another's containers are left alone");
    assert!(!there.contains(&killed) && !there.contains(&past));
    for id in [alive, elsewhere] {
        docker
            .remove_container(&id, None::<bollard::query_parameters::RemoveContainerOptions>)
            .await
            .unwrap();
    }
}

async fn infrastructure(settings: &DockerSettings, docker: &Docker, url: &str) {
    let run = |settings: DockerSettings, id: &'static str| async move {
        DockerProbes::new(settings).unwrap().run(&round(id, url, &names(2)), &()).await
    };
    let image = |image| DockerSettings { image, ..settings.clone() };
    whys(&run(image(ProbeImage::Named("no-such-image".to_owned())), "a").await, "no-such-image");
    whys(&run(image(ProbeImage::Program(PathBuf::from("/no/such/file"))), "b").await, "/no/such/file");
    // A program that is none of ours: no lines, and an exit code that means nothing.
    let other = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(other.path(), "no program").unwrap();
    whys(&run(image(ProbeImage::Program(other.path().to_owned())), "c").await, "its container");
    whys(
        &run(DockerSettings { network: "no-such-network".to_owned(), ..settings.clone() }, "d").await,
        "its container",
    );
    // 6 MiB is the least an engine takes, and less than a program with all its roots needs.
    let mut poor = DockerSettings { memory: 6 * 1024 * 1024, ..settings.clone() };
    poor.roots = Some("x".repeat(8 * 1024 * 1024));
    let https = url.replace("http:", "https:");
    let results = DockerProbes::new(poor).unwrap().run(&round("e", &https, &names(2)), &()).await;
    whys(&results, "its container");
    assert!(containers(docker).await.is_empty());
    // What is not done in time is killed.
    let mut late = round("f", "http://127.0.0.1:9/{tenant}", &names(2));
    late.deadline = Duration::ZERO;
    whys(&DockerProbes::new(settings.clone()).unwrap().run(&late, &()).await, "deadline");
    assert!(containers(docker).await.is_empty());
}
