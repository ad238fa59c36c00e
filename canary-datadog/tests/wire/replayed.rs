//! Exchanges in recorded form: what we ask, byte for byte, and answers as the API's documentation has them.
//!
//! `NAME.request` is the request line, the headers that Datadog reads, and the body; `NAME.reply` the answer as it comes.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use canary_core::analysis::Ratio;
use canary_core::journal::{Chain, Decided, Entry};
use canary_core::time::Timestamp;
use canary_core::traits::{Reading, SliKind, SliQuery, SliSource as _, Subject};
use canary_datadog::{DatadogEvents, DatadogSlis, DatadogSlisConfig, DatadogTenants, Keys, Site};
use canary_notify::{About, Courier as _, Notice, Story};
use canary_tenants::gap::{GapCode, Measured};
use canary_tenants::policy::read as read_policy;
use canary_tenants::source::TenantSource as _;
use canary_testkit::datadog::{API_KEY, APP_KEY};

/// 2026-11-22T14:32:00Z.
const AT: Timestamp = Timestamp::from_millis(1_795_357_920_000);
const LIMIT: Duration = Duration::from_secs(20);

fn recorded(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/recorded/http").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Answers recorded requests, each once and with what was recorded; anything else with 500, and says so.
struct Replayer {
    url: String,
    left: Arc<Mutex<Vec<&'static str>>>,
    strange: Arc<Mutex<Vec<String>>>,
}

impl Replayer {
    fn of(names: &[&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let left = Arc::new(Mutex::new(names.to_vec()));
        let strange = Arc::<Mutex<Vec<String>>>::default();
        let (names, others) = (Arc::clone(&left), Arc::clone(&strange));
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let request = request(&mut stream);
                let mut names = names.lock().unwrap();
                let found = names.iter().position(|name| recorded(&format!("{name}.request")) == request);
                let reply = match found {
                    Some(at) => recorded(&format!("{}.reply", names.remove(at))),
                    None => {
                        others.lock().unwrap().push(request);
                        "HTTP/1.1 500 Not recorded\n\n".to_owned()
                    }
                };
                let (head, body) = reply.split_once("\n\n").unwrap();
                let body = body.trim_end();
                let head = head.replace('\n', "\r\n");
                write!(stream, "{head}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
                    .unwrap();
            }
        });
        Self { url, left, strange }
    }

    /// Every recorded request came, and no other.
    fn done(&self) {
        let strange = self.strange.lock().unwrap();
        assert!(strange.is_empty(), "not recorded:\n{}", strange.join("\n---\n"));
        assert_eq!(*self.left.lock().unwrap(), Vec::<&str>::new(), "never asked");
    }

    fn site(&self) -> Site {
        Site::parse(&self.url).unwrap()
    }
}

/// A request as it is recorded: its line, what of its headers Datadog reads, its body.
fn request(stream: &mut TcpStream) -> String {
    let (mut all, mut chunk) = (Vec::new(), [0; 16_384]);
    let (head, body) = loop {
        let count = stream.read(&mut chunk).unwrap();
        assert!(count > 0, "a request that ends early");
        all.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8(all.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            break (head.to_owned(), body.to_owned());
        }
    };
    let line = head.lines().next().unwrap().trim_end_matches(" HTTP/1.1").to_owned();
    let named = |line: &&str| {
        ["content-type: ", "dd-api-key: ", "dd-application-key: "].iter().any(|name| line.starts_with(name))
    };
    let mut headers: Vec<_> = head.lines().filter(named).collect();
    headers.sort_unstable();
    format!("{line}\n{}\n\n{body}\n", headers.join("\n"))
}

fn keys() -> Keys {
    Keys::new(API_KEY, Some(APP_KEY)).unwrap()
}

fn slis(site: Site) -> DatadogSlis {
    let mut config = DatadogSlisConfig::new(site, keys());
    config.node_tag = Some("host".parse().unwrap());
    config.latency_unit = 0.001;
    config
        .metrics
        .insert("requests_total".to_owned(), "http.requests{service:api,!path:/health}".parse().unwrap());
    config.metrics.insert("latency".to_owned(), "http.request.duration{service:api}".parse().unwrap());
    DatadogSlis::new(config).unwrap()
}

fn queries() -> [SliQuery; 3] {
    let errors = SliKind::ErrorRatio {
        metric: "requests_total".parse().unwrap(),
        status_label: "status".parse().unwrap(),
    };
    let p95 = SliKind::Quantile { metric: "latency".parse().unwrap(), quantile: Ratio::new(0.95).unwrap() };
    let nodes = |names: &[&str]| Subject::Nodes(names.iter().map(|name| name.parse().unwrap()).collect());
    let query = |kind, subject| SliQuery {
        name: "sli".to_owned(),
        kind,
        subject,
        window: Duration::from_secs(60),
        at: AT,
    };
    [
        query(errors.clone(), nodes(&["api-1"])),
        query(errors, nodes(&["api-2", "api-3"])),
        query(p95, nodes(&["api-1"])),
    ]
}

#[tokio::test]
async fn a_probe_of_a_watch() {
    // The limit first: the same request is made again a second later.
    let server = Replayer::of(&["watch-limited", "watch-scalar", "watch-timeseries"]);
    let samples = slis(server.site()).sample(&queries()).await;
    server.done();
    let samples: Vec<_> = samples.into_iter().map(Result::unwrap).collect();
    let read: Vec<_> = samples.iter().map(|sample| (sample.reading.clone(), sample.events)).collect();
    let value = |value| Reading::Value { value: canary_core::analysis::Number::new(value).unwrap() };
    let expected = [(value(0.0125), Some(2400)), (value(0.0), Some(4810)), (value(0.3125), Some(2400))];
    assert_eq!(read, expected);
    // The last three intervals are null: they came late. Each was enlarged to 30 s.
    assert_eq!(samples[0].age, Some(Duration::from_secs(90)));
    assert_eq!(samples[1].age, Some(Duration::ZERO));
}

#[tokio::test]
async fn a_round_over_tenants() {
    let server = Replayer::of(&["tenants-scalar", "tenants-timeseries"]);
    let text = format!(
        "version: sla/v1\nsources:\n  - {{name: dd, kind: datadog, site: \"{}\", keys_from_env: [DD_API_KEY, DD_APP_KEY]}}\n\
         objectives:\n  error_rate: {{kind: ratio, bad: errors_total, total: requests_total, limit: \"0.010\", \
         datadog: {{bad: \"http.requests{{status:5*}}\", total: http.requests}}}}\ntenants:\n  acme:\n  globex:\n  initech:\n",
        server.url
    );
    let policy = read_policy(&text, "sla.yaml").unwrap().at(AT);
    let source = &policy.file.sources[0];
    let tenants = DatadogTenants::new(&policy.file, source, server.site(), keys()).unwrap();
    let reply = tenants.read(&policy.ask(source, AT, None, LIMIT), &()).await;
    server.done();
    assert_eq!((&reply.refused, &reply.trouble), (&None, &None));
    let found = |tenant: &str| &reply.found[tenant]["error_rate"];
    assert_eq!(found("acme").measured, Measured::Events { bad: Some(150), total: 1000 });
    assert_eq!(found("globex").measured, Measured::Events { bad: None, total: 2000 });
    assert_eq!(found("initech").trouble, Some(GapCode::Duplicate), "there by two rows");
    assert!(!reply.found.contains_key("N/A"), "what has no tenant is nobody's");
}

fn notice() -> Notice {
    let decided: Decided = serde_json::from_str(include_str!("../recorded/decided.json")).unwrap();
    let (record, _) = Chain::new([7; 16]).record(AT, Entry::Decided(Box::new(decided))).unwrap();
    let named = |name: &str| name.to_owned();
    let about = About {
        service: named("api"),
        pool: named("api_pool"),
        environment: named("production"),
        host: named("deploy-1"),
    };
    Story::new(about, LIMIT).recorded(&record).unwrap()
}

#[tokio::test]
async fn a_decision_as_an_event() {
    let server = Replayer::of(&["event-v2"]);
    let events = DatadogEvents::new(server.site(), keys(), LIMIT).unwrap();
    let sent = events.carry(&notice(), AT, LIMIT).await;
    server.done();
    sent.unwrap();
    // An account without v2, and one whose key is wrong.
    let server = Replayer::of(&["event-v2-unknown", "event-v1"]);
    let events = DatadogEvents::new(server.site(), keys(), LIMIT).unwrap();
    let sent = events.carry(&notice(), AT, LIMIT).await;
    server.done();
    sent.unwrap();
    let server = Replayer::of(&["event-v2-forbidden"]);
    let events = DatadogEvents::new(server.site(), keys(), LIMIT).unwrap();
    let error = events.carry(&notice(), AT, LIMIT).await.unwrap_err();
    server.done();
    assert_eq!((error.status, error.again), (Some(403), false), "{}", error.why);
}
