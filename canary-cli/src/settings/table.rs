//! Every setting, once: its key in the file, its variable, its flag, its kind, its default, its help.

use std::time::Duration;

use canary_core::analysis::odds::SHORTEST_HISTORY;
use canary_core::engine::GATE_LIMIT;
use canary_core::spec::defaults;
use canary_postgres::SchemaGate;

use super::choices::{CONVENTIONS, PHASES, PLACES, PROOFS, SHADOW_BASES};
pub use super::fallback::Fallback;
use super::kind::Kind;
pub use super::setting::Setting;

macro_rules! settings {
    ($($(#[doc = $help:literal])+ $id:ident = $key:literal, $variable:literal, $flag:literal, $kind:expr, $fallback:expr;)+) => {
        /// Names a setting in code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Key {
            $($(#[doc = $help])+ $id,)+
        }

        /// The table, in the order of the documentation.
        pub static SETTINGS: &[Setting] = &[
            $(Setting {
                id: Key::$id,
                key: $key,
                variable: $variable,
                flag: $flag,
                kind: $kind,
                fallback: $fallback,
                help: concat!($($help),+),
            },)+
        ];
    };
}

impl Key {
    /// The setting's row.
    #[must_use]
    pub fn setting(self) -> &'static Setting {
        &SETTINGS[self as usize]
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);
const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

const fn time(min: Duration, max: Duration) -> Kind {
    Kind::Time { min, max, plain_seconds: false }
}

/// A time whose variable the runbook gives in seconds.
const fn seconds(min: Duration, max: Duration) -> Kind {
    Kind::Time { min, max, plain_seconds: true }
}

use Fallback::{Computed, Count, Number, Text, Time, Unset};

settings! {
    /// The binary to ship.
    Artifact = "release.artifact", "ARTIFACT", "artifact", Kind::File, Unset;
    /// The last known good binary: a file of this host, or a path inside the instances.
    RollbackBinary = "release.rollback_binary", "ROLLBACK_BINARY", "rollback-binary", Kind::File, Unset;
    /// The revision of the sources that the release was built from; the next release's migrations are judged against it.
    ReleaseRevision = "release.revision", "CANARY_REVISION", "revision", Kind::Revision,
        Computed("the commit that is checked out where the migrations are");
    /// The release's part in a change of the schema.
    ReleasePhase = "release.phase", "CANARY_PHASE", "phase", Kind::Choice(PHASES), Unset;

    /// The service's name; its rollouts share one journal.
    Service = "service.name", "CANARY_SERVICE", "service", Kind::Service, Computed("the pool's name");
    /// The directory of the binary inside the instances.
    InstallDir = "service.install_dir", "INSTALL_DIR", "install-dir", Kind::RemotePath, Text("/opt/veza/backend-api");
    /// The binary's file name in that directory.
    BinaryName = "service.binary_name", "BINARY_NAME", "binary-name", Kind::FileName, Text("veza-api");
    /// The systemd unit that runs the binary.
    Unit = "service.unit", "SERVICE_UNIT", "unit", Kind::Unit, Text("veza-backend-api");

    /// What the fleet is made of: haproxy-incus, local (processes of this host), or a kind that a program of one's own adds.
    Backend = "fleet.backend", "CANARY_BACKEND", "backend", Kind::Backend, Text("haproxy-incus");
    /// The balancer's pool (HAProxy: backend).
    Pool = "fleet.pool", "POOL_BACKEND", "pool", Kind::Pool, Text("api_pool");
    /// The node that gets the release first.
    Canary = "fleet.canary", "CANARY_NODE", "canary", Kind::Node, Text("backend-api-2");
    /// The other nodes, in the order they are rolled.
    Peers = "fleet.peers", "PEER_NODES", "peers", Kind::Nodes, Text("backend-api-1");
    /// How many other servers must be serving before a node is drained.
    MinAvailable = "fleet.min_available", "CANARY_MIN_AVAILABLE", "min-available",
        Kind::Count { min: 1, max: 1000 }, Count(defaults::MIN_AVAILABLE as u64);
    /// Whether a failing peer takes everything back; otherwise the rollout halts there.
    RollBackPeers = "fleet.roll_back_peers", "CANARY_ROLL_BACK_PEERS", "roll-back-peers", Kind::Flag, Text("false");

    /// The instance that runs HAProxy; its admin socket is reached by a command inside it.
    HaproxyInstance = "haproxy.instance", "HAPROXY_INSTANCE", "haproxy-instance", Kind::Node, Text("haproxy");
    /// HAProxy's admin socket inside that instance.
    HaproxySocket = "haproxy.socket", "HAPROXY_SOCKET", "haproxy-socket", Kind::RemotePath, Text("/run/haproxy/admin.sock");
    /// Another way to the admin socket: unix:/path on this host, tcp:host:port, or instance:name:/path.
    HaproxyAddress = "haproxy.address", "CANARY_HAPROXY_ADDRESS", "haproxy-address", Kind::Address, Unset;
    /// Where clients reach the pool; health is checked through it.
    HaproxyUrl = "haproxy.url", "LB_URL", "lb-url", Kind::Url, Text("http://haproxy.lxd");

    /// The Incus daemon's socket on this host.
    IncusSocket = "incus.socket", "INCUS_SOCKET", "incus-socket", Kind::File, Text("/var/lib/incus/unix.socket");
    /// The Incus daemon's HTTPS address; with it the socket is not used.
    IncusUrl = "incus.url", "CANARY_INCUS_URL", "incus-url", Kind::SecureUrl, Unset;
    /// The client certificate (PEM) for the HTTPS address.
    IncusClientCert = "incus.client_cert", "CANARY_INCUS_CLIENT_CERT", "incus-client-cert", Kind::File, Unset;
    /// The client certificate's key (PEM).
    IncusClientKey = "incus.client_key", "CANARY_INCUS_CLIENT_KEY", "incus-client-key", Kind::File, Unset;
    /// The daemon's own certificate (PEM); no other is accepted.
    IncusServerCert = "incus.server_cert", "CANARY_INCUS_SERVER_CERT", "incus-server-cert", Kind::File, Unset;
    /// The Incus project of the instances.
    IncusProject = "incus.project", "CANARY_INCUS_PROJECT", "incus-project", Kind::Project, Text("default");

    /// The nodes and the loopback addresses of their processes, each as NODE=IP:PORT.
    LocalNodes = "local.nodes", "CANARY_LOCAL_NODES", "local-nodes", Kind::Places, Unset;
    /// Where clients reach the pool: the loopback address of the balancer.
    LocalListen = "local.listen", "CANARY_LOCAL_LISTEN", "local-listen", Kind::Loopback, Text("127.0.0.1:8000");
    /// The binary of nodes that have none yet.
    LocalFirst = "local.first_binary", "CANARY_LOCAL_FIRST_BINARY", "local-first-binary", Kind::File, Unset;
    /// The arguments of each process; {address}, {port} and {node} in them stand for the node's own.
    LocalArgs = "local.args", "CANARY_LOCAL_ARGS", "local-args", Kind::Arguments, Unset;
    /// The environment of each process, each as NAME=value, with the same words; nothing is inherited.
    LocalEnv = "local.env", "CANARY_LOCAL_ENV", "local-env", Kind::Assignments, Unset;
    /// A file with more of it, a NAME=value a line; for secrets.
    LocalEnvFile = "local.env_file", "CANARY_LOCAL_ENV_FILE", "local-env-file", Kind::File, Unset;
    /// The directory of the nodes: their binaries, logs and states.
    LocalDir = "local.dir", "CANARY_LOCAL_DIR", "local-dir", Kind::File, Computed("nodes, in the service's own directory in state.dir");
    /// The control socket of `canary-cli serve`.
    LocalSocket = "local.socket", "CANARY_LOCAL_SOCKET", "local-socket", Kind::File,
        Computed("control.sock, in the service's own directory in state.dir");
    /// The time between the balancer's checks of a node's health.
    LocalCheckInterval = "local.check_interval", "CANARY_LOCAL_CHECK_INTERVAL", "local-check-interval",
        time(Duration::from_millis(10), HOUR), Time(Duration::from_millis(500));
    /// How long a process may take to end after SIGTERM before it is killed.
    LocalStopTimeout = "local.stop_timeout", "CANARY_LOCAL_STOP_TIMEOUT", "local-stop-timeout",
        time(SECOND, HOUR), Time(Duration::from_secs(10));
    /// How long requests in progress may take when `canary-cli serve` is stopped.
    LocalCloseTimeout = "local.close_timeout", "CANARY_LOCAL_CLOSE_TIMEOUT", "local-close-timeout",
        time(SECOND, HOUR), Time(Duration::from_secs(10));
    /// What becomes of the processes then: they end, or go on for the next `canary-cli serve`.
    LocalOnStop = "local.on_stop", "CANARY_LOCAL_ON_STOP", "local-on-stop", Kind::Choice(&["end", "keep"]), Text("end");

    /// How long requests in progress may take when a node is drained.
    DrainTimeout = "drain.timeout", "DRAIN_TIMEOUT", "drain-timeout", seconds(SECOND, DAY), Time(defaults::DRAIN_TIMEOUT);
    /// What then: put the node back and stop, or close what is left (its requests are lost).
    DrainOnTimeout = "drain.on_timeout", "CANARY_DRAIN_ON_TIMEOUT", "drain-on-timeout",
        Kind::Choice(&["give_up", "close_sessions"]), Text("give_up");
    /// How long to wait for enough other servers before draining at all.
    CapacityTimeout = "drain.capacity_timeout", "CANARY_CAPACITY_TIMEOUT", "capacity-timeout",
        time(SECOND, DAY), Time(defaults::CAPACITY_TIMEOUT);

    /// The path that tells the service's health.
    HealthPath = "health.path", "HEALTH_PATH", "health-path", Kind::HttpPath, Text(defaults::HEALTH_PATH);
    /// The service's port inside the instances.
    HealthPort = "health.port", "HEALTH_PORT", "health-port", Kind::Count { min: 1, max: 65_535 },
        Count(defaults::HEALTH_PORT as u64);
    /// By when a restarted node must be healthy.
    HealthTimeout = "health.timeout", "HEALTH_TIMEOUT", "health-timeout", seconds(SECOND, DAY), Time(defaults::HEALTH_TIMEOUT);
    /// How long one health request may take.
    HealthAttempt = "health.attempt_timeout", "CANARY_HEALTH_ATTEMPT_TIMEOUT", "health-attempt-timeout",
        time(Duration::from_millis(100), Duration::from_secs(300)), Time(defaults::HEALTH_ATTEMPT_TIMEOUT);

    /// How long the balancer may take to find a node up again.
    UpTimeout = "enable.up_timeout", "CANARY_UP_TIMEOUT", "up-timeout", time(SECOND, DAY), Time(defaults::UP_TIMEOUT);
    /// How long it may take until it has sent the node a request.
    TrafficTimeout = "enable.traffic_timeout", "CANARY_TRAFFIC_TIMEOUT", "traffic-timeout",
        time(SECOND, DAY), Time(defaults::TRAFFIC_TIMEOUT);

    /// How long the canary is watched; 0 for no watch.
    Window = "watch.window", "SLI_WINDOW", "window", seconds(Duration::ZERO, Duration::from_secs(7 * 86_400)),
        Time(defaults::WATCH_WINDOW);
    /// The time between probes.
    Interval = "watch.interval", "SLI_PROBE_INTERVAL", "interval", seconds(SECOND, DAY), Time(defaults::PROBE_INTERVAL);
    /// The time each probe looks back over, at most; at least four scrape intervals.
    RateWindow = "watch.rate_window", "CANARY_RATE_WINDOW", "rate-window", time(SECOND, DAY), Time(defaults::RATE_WINDOW);
    /// The 95th percentile of the response time must stay below this many seconds.
    P95Threshold = "watch.p95_threshold", "PROM_P95_THRESHOLD_S", "p95-threshold", Kind::Seconds,
        Number(defaults::P95_THRESHOLD_S);
    /// The share of requests answered 5xx must stay below this.
    ErrorThreshold = "watch.error_ratio_threshold", "PROM_ERR_RATE_THRESHOLD", "error-ratio-threshold", Kind::Ratio,
        Number(defaults::ERROR_RATIO_THRESHOLD);
    /// The requests a probe must rest on to be judged.
    MinRequests = "watch.min_requests", "CANARY_MIN_REQUESTS", "min-requests",
        Kind::Count { min: 0, max: 1_000_000_000 }, Count(defaults::MIN_REQUESTS);
    /// Whose indicators decide: the whole pool's, or the canary's alone.
    WatchSubject = "watch.subject", "CANARY_WATCH_SUBJECT", "watch-subject", Kind::Choice(&["pool", "canary"]),
        Computed("canary where nodes can be told apart: by prometheus.node_label, or by their own metrics pages; else pool");
    /// Whether the baseline's values are told beside the canary's.
    SideBySide = "watch.side_by_side", "CANARY_SIDE_BY_SIDE", "side-by-side", Kind::Flag,
        Computed("true where nodes can be told apart");
    /// What it means when canary and baseline are outside a bound alike: red, or a hold that says nothing of the release.
    CommonFault = "watch.common_fault", "CANARY_COMMON_FAULT", "common-fault", Kind::Choice(&["red", "hold"]),
        Computed("hold where watch.side_by_side is true, else red");
    /// Who judges: the bounds, the comparison with the baseline, the score; any red of any of them is red.
    Judge = "watch.judge", "CANARY_JUDGE", "judge", Kind::Choices(&["threshold", "odds", "score"]),
        Computed("threshold; where prometheus.node_label is set and there are peers, threshold and odds");
    /// Threshold: so many red probes in a row decide; unset, the first one does.
    ConsecutiveFailures = "watch.consecutive_failures", "CANARY_CONSECUTIVE_FAILURES", "consecutive-failures",
        Kind::Count { min: 1, max: 1_000_000 }, Unset;
    /// Threshold: no red probe decides before so many probes with data.
    MinSamples = "watch.min_samples", "CANARY_MIN_SAMPLES", "min-samples", Kind::Count { min: 0, max: 1_000_000 }, Count(0);
    /// Threshold: more red probes than this decide, in a row or not.
    FailureBudget = "watch.failure_budget", "CANARY_FAILURE_BUDGET", "failure-budget",
        Kind::Count { min: 0, max: 1_000_000 }, Unset;
    /// Threshold: so many green probes in a row make up for one red one of the budget; unset, none does.
    HealAfter = "watch.heal_after", "CANARY_HEAL_AFTER", "heal-after", Kind::Count { min: 1, max: 1_000_000 }, Unset;
    /// Odds: the largest chance of a false rollback in the whole rollout.
    Alpha = "watch.alpha", "CANARY_ALPHA", "alpha", Kind::Part { max: 0.25 }, Number(defaults::ALPHA);
    /// Odds: the largest chance of calling a much worse release proven good.
    Beta = "watch.beta", "CANARY_BETA", "beta", Kind::Part { max: 0.25 }, Number(defaults::BETA);
    /// Odds: the time after the canary's return that is not compared: caches fill, connections are made.
    WarmUp = "watch.warm_up", "CANARY_WARM_UP", "warm-up", time(Duration::ZERO, DAY),
        Computed("30s, but no more than a tenth of the window");
    /// Odds: the time before the rollout that the nodes' noise is learnt from; red takes 30m of it.
    History = "watch.history", "CANARY_HISTORY", "history", time(SHORTEST_HISTORY, DAY), Time(defaults::HISTORY);
    /// Odds: what it means when the window ends and neither good nor bad is proven.
    Unproven = "watch.unproven", "CANARY_UNPROVEN", "unproven", Kind::Choice(&["pass", "inconclusive"]), Text("pass");
    /// Odds: whether a proof that the canary is good ends the watch before its window does.
    EarlyGreen = "watch.early_green", "CANARY_EARLY_GREEN", "early-green", Kind::Flag, Text("false");
    /// Odds: the least time before that.
    MinSoak = "watch.min_soak", "CANARY_MIN_SOAK", "min-soak", time(Duration::ZERO, DAY), Time(defaults::MIN_SOAK);
    /// Odds: the canary's requests before that.
    EarlyRequests = "watch.early_requests", "CANARY_EARLY_REQUESTS", "early-requests",
        Kind::Count { min: 0, max: 1_000_000_000 }, Count(defaults::EARLY_REQUESTS);
    /// Score: green from this part of the weight on.
    ScorePass = "watch.score_pass", "CANARY_SCORE_PASS", "score-pass", Kind::Part { max: 1.0 }, Number(defaults::SCORE_PASS);
    /// Score: red below this part; between both it holds.
    ScoreFail = "watch.score_fail", "CANARY_SCORE_FAIL", "score-fail", Kind::Part { max: 1.0 }, Number(defaults::SCORE_FAIL);
    /// How long the watch may go without data, in all.
    HoldBudget = "watch.hold_budget", "CANARY_HOLD_BUDGET", "hold-budget", time(Duration::ZERO, DAY), Time(defaults::HOLD_BUDGET);
    /// How long it may for one reason alone, in all; what is not named has the whole of hold_budget.
    HoldBudgets = "watch.hold_budgets", "CANARY_HOLD_BUDGETS", "hold-budgets", Kind::Budgets, Unset;
    /// What then: leave the canary as it is, or bring the previous binary back.
    OnInconclusive = "watch.on_inconclusive", "CANARY_ON_INCONCLUSIVE", "on-inconclusive",
        Kind::Choice(&["keep", "roll_back"]), Text("keep");
    /// Where the numbers come from: a Prometheus server, the nodes' own metrics pages, or a Datadog account.
    WatchSource = "watch.source", "CANARY_WATCH_SOURCE", "watch-source", Kind::Choice(&["prometheus", "metrics", "datadog"]),
        Computed("prometheus; metrics where fleet.backend is local");
    /// Whether the response time and the error ratio are watched; without them, only the file's own indicators.
    BuiltinSlis = "watch.builtin_slis", "CANARY_BUILTIN_SLIS", "builtin-slis", Kind::Flag, Text("true");

    /// The parts of its own configured weight that the canary gets first, ascending; each is watched before the next.
    WeightSteps = "weights.steps", "CANARY_WEIGHT_STEPS", "weight-steps", Kind::Percents, Text("");
    /// How long each of them is watched.
    WeightWindow = "weights.window", "CANARY_WEIGHT_WINDOW", "weight-window",
        time(SECOND, Duration::from_secs(7 * 86_400)), Computed("watch.window, divided by the number of steps");

    /// The nodes after which the rollout waits for `promote`; the word canary stands for the canary.
    PauseAfter = "pause.after", "CANARY_PAUSE_AFTER", "pause-after", Kind::Nodes, Text("");
    /// How long one pause may last; then the rollout ends inconclusive.
    PauseLimit = "pause.limit", "CANARY_PAUSE_LIMIT", "pause-limit",
        time(SECOND, Duration::from_secs(30 * 86_400)), Time(defaults::PAUSE_LIMIT);

    /// The Prometheus server.
    PrometheusUrl = "prometheus.url", "PROM_URL", "prom-url", Kind::Url, Text("http://prom.lxd:9090");
    /// The response time's histogram, without _bucket.
    LatencyMetric = "prometheus.latency_metric", "PROM_LATENCY_METRIC", "latency-metric", Kind::Metric,
        Text("veza_gin_http_request_duration_seconds");
    /// The counter of requests.
    RequestsMetric = "prometheus.requests_metric", "PROM_REQUESTS_METRIC", "requests-metric", Kind::Metric,
        Text("veza_gin_http_requests_total");
    /// The counter's label that holds the HTTP status.
    StatusLabel = "prometheus.status_label", "CANARY_PROM_STATUS_LABEL", "status-label", Kind::Metric, Text("status");
    /// The label that names the node; needed to judge the canary alone.
    NodeLabel = "prometheus.node_label", "PROM_NODE_LABEL", "node-label", Kind::Metric, Unset;
    /// A file with the bearer token for the Prometheus server.
    BearerTokenFile = "prometheus.bearer_token_file", "CANARY_PROM_BEARER_TOKEN_FILE", "prom-bearer-token-file",
        Kind::File, Unset;

    /// Datadog's site (datadoghq.com, datadoghq.eu, …) that is asked, or the URL of what speaks its API.
    DatadogSite = "datadog.site", "CANARY_DATADOG_SITE", "datadog-site", Kind::Words, Text("datadoghq.com");
    /// A file with lines DD_API_KEY=… and DD_APP_KEY=…; otherwise both come from variables of these names.
    DatadogKeyFile = "datadog.key_file", "CANARY_DATADOG_KEY_FILE", "datadog-key-file", Kind::File, Unset;
    /// The tag that names the node; needed to judge the canary alone.
    DatadogNodeTag = "datadog.node_tag", "CANARY_DATADOG_NODE_TAG", "datadog-node-tag", Kind::Metric, Unset;
    /// The count of requests, with the tags that its series must have: http.requests{service:api}.
    DatadogRequests = "datadog.requests_metric", "CANARY_DATADOG_REQUESTS_METRIC", "datadog-requests-metric", Kind::Words,
        Computed("prometheus.requests_metric, with any tags");
    /// The distribution of response times, with percentiles, and the tags that its series must have.
    DatadogLatency = "datadog.latency_metric", "CANARY_DATADOG_LATENCY_METRIC", "datadog-latency-metric", Kind::Words,
        Computed("prometheus.latency_metric, with any tags");
    /// The unit of that distribution; bounds are in seconds.
    DatadogLatencyUnit = "datadog.latency_unit", "CANARY_DATADOG_LATENCY_UNIT", "datadog-latency-unit",
        Kind::Choice(&["ns", "us", "ms", "s"]), Text("s");

    /// The port of the nodes' own metrics page.
    MetricsPort = "metrics.port", "CANARY_METRICS_PORT", "metrics-port", Kind::Count { min: 1, max: 65_535 },
        Computed("health.port; where fleet.backend is not haproxy-incus, the port of each node's own address");
    /// The path of the nodes' own metrics page.
    MetricsPath = "metrics.path", "CANARY_METRICS_PATH", "metrics-path", Kind::HttpPath, Text("/metrics");

    /// The directory of the migrations.
    MigrationsDir = "migrations.dir", "MIGRATIONS_DIR", "migrations-dir", Kind::File, Text("migrations");
    /// Files that are new since this git reference are judged.
    MigrationsBase = "migrations.base", "MIGRATIONS_BASE", "migrations-base", Kind::GitRef, Text("origin/main");
    /// The convention the migration files follow.
    MigrationsConvention = "migrations.convention", "CANARY_MIGRATIONS_CONVENTION", "migrations-convention",
        Kind::Choice(CONVENTIONS), Text("auto");
    /// What becomes of migrations that only lock or rewrite tables in use.
    MigrationsLocks = "migrations.locks", "CANARY_MIGRATIONS_LOCKS", "migrations-locks",
        Kind::Choice(&["refuse", "warn"]), Text("refuse");
    /// Lets refused migrations pass, by name and with the reason on record.
    ForceMigrate = "migrations.force", "FORCE_MIGRATE", "force-migrate", Kind::Flag, Text("false");

    /// The longest that judging migrations may take, shadow runs included; then it is cut off, undecided.
    MigrationsLimit = "migrations.limit", "CANARY_MIGRATIONS_LIMIT", "migrations-limit",
        time(SECOND, GATE_LIMIT), Time(SchemaGate::LIMIT);

    /// Also runs new migrations on a copy of the schema: off, local (a throw-away server), server, or its address.
    MigrationsShadow = "migrations.shadow", "CANARY_SHADOW", "shadow", Kind::Shadow, Text("off");
    /// A file with the address of the shadow server, which is a secret where it has a password.
    MigrationsShadowUrlFile = "migrations.shadow_url_file", "CANARY_SHADOW_URL_FILE", "shadow-url-file", Kind::File, Unset;
    /// The name of an environment variable that holds the address of the shadow server instead.
    MigrationsShadowUrlVariable = "migrations.shadow_url_variable", "CANARY_SHADOW_URL_VARIABLE", "shadow-url-variable",
        Kind::Words, Unset;
    /// What shadow runs start from: auto (the live schemas where a database is named), or the older migrations, replayed.
    MigrationsShadowBase = "migrations.shadow_base", "CANARY_SHADOW_BASE", "shadow-base", Kind::Choice(SHADOW_BASES), Text("auto");
    /// The role the service connects as when it does not own the tables; shadow runs then see its privileges.
    MigrationsShadowRole = "migrations.shadow_role", "CANARY_SHADOW_ROLE", "shadow-role", Kind::Role, Unset;
    /// Whether a clean shadow run makes warnings of refused drops in a release of the phase contract: strict or accept.
    MigrationsProof = "migrations.proof", "CANARY_PROOF", "proof", Kind::Choice(PROOFS), Text("strict");

    /// A file with the address of the tenants' database, which is a secret; with it, live schemas are checked.
    DatabaseUrlFile = "database.url_file", "CANARY_DATABASE_URL_FILE", "database-url-file", Kind::File, Unset;
    /// The name of an environment variable that holds the address instead.
    DatabaseUrlVariable = "database.url_variable", "CANARY_DATABASE_URL_VARIABLE", "database-url-variable", Kind::Words, Unset;
    /// The role that the service works as; connections of the checks take it on.
    DatabaseRole = "database.role", "CANARY_DATABASE_ROLE", "database-role", Kind::Words, Unset;
    /// The tenants' schemas: a LIKE pattern, or a regular expression between slashes.
    DatabaseSchemas = "database.schemas", "CANARY_DATABASE_SCHEMAS", "database-schemas", Kind::Words, Text("tenant_%");
    /// A query for the routing table instead: columns schema, and shard, database, tenant where there are any.
    DatabaseRoutingQuery = "database.routing_query", "CANARY_DATABASE_ROUTING_QUERY", "database-routing-query", Kind::Words, Unset;
    /// A YAML file with the routing table instead.
    DatabaseRoutingFile = "database.routing_file", "CANARY_DATABASE_ROUTING_FILE", "database-routing-file", Kind::File, Unset;
    /// The schemas in which the service looks names up, with commas; {schema} is the tenant's own.
    DatabaseSearchPath = "database.search_path", "CANARY_DATABASE_SEARCH_PATH", "database-search-path", Kind::Words,
        Text("{schema},public");
    /// The contract of the service's sources.
    DatabaseContract = "database.contract", "CANARY_DATABASE_CONTRACT", "database-contract", Kind::File, Text("sql-contract.lock");
    /// The most connections of the checks, the load's pool aside.
    DatabaseConnections = "database.connections", "CANARY_DATABASE_CONNECTIONS", "database-connections",
        Kind::Count { min: 1, max: 64 }, Count(8);
    /// The longest that one statement of the checks may run.
    DatabaseStatementTimeout = "database.statement_timeout", "CANARY_DATABASE_STATEMENT_TIMEOUT", "database-statement-timeout",
        time(MILLISECOND, HOUR), Time(Duration::from_secs(30));
    /// The longest that one statement of the checks waits for a lock.
    DatabaseLockTimeout = "database.lock_timeout", "CANARY_DATABASE_LOCK_TIMEOUT", "database-lock-timeout",
        time(MILLISECOND, HOUR), Time(Duration::from_secs(2));
    /// The longest that all checks may take, a probe's interval in a watch aside.
    DatabaseLimit = "database.limit", "CANARY_DATABASE_LIMIT", "database-limit", time(SECOND, HOUR), Time(MINUTE);
    /// The service's instances.
    DatabaseInstances = "database.instances", "CANARY_DATABASE_INSTANCES", "database-instances",
        Kind::Count { min: 1, max: 10_000 }, Computed("the number of nodes");
    /// The connections of one instance, where its sources do not decide them.
    DatabasePool = "database.pool", "CANARY_DATABASE_POOL", "database-pool", Kind::Count { min: 1, max: 10_000 }, Unset;
    /// Connections of the server that are left for people and other services.
    DatabaseReserve = "database.reserve", "CANARY_DATABASE_RESERVE", "database-reserve", Kind::Count { min: 0, max: 10_000 }, Count(5);
    /// How many of the service's reading queries are run to measure their latency; a probe of a watch runs a tenth.
    DatabaseLoadRequests = "database.load_requests", "CANARY_DATABASE_LOAD_REQUESTS", "database-load-requests",
        Kind::Count { min: 0, max: 100_000 }, Count(1000);
    /// How many of them arrive in a second.
    DatabaseLoadRate = "database.load_rate", "CANARY_DATABASE_LOAD_RATE", "database-load-rate",
        Kind::Count { min: 1, max: 10_000 }, Count(200);
    /// The budget of a query's 99th percentile.
    DatabaseP99 = "database.p99", "CANARY_DATABASE_P99", "database-p99", time(MILLISECOND, HOUR),
        Computed("the contract's, else 50ms");
    /// The budget of the 99th percentile of the wait for a connection.
    DatabaseAcquireP99 = "database.acquire_p99", "CANARY_DATABASE_ACQUIRE_P99", "database-acquire-p99", time(MILLISECOND, HOUR),
        Computed("the contract's, else 10ms");
    /// The budget of the pool's use, in percent.
    DatabasePoolUtilisation = "database.pool_utilisation", "CANARY_DATABASE_POOL_UTILISATION", "database-pool-utilisation",
        Kind::Count { min: 1, max: 100 }, Computed("the contract's, else 80");

    /// The policy with what tenants were promised (sla/v1); with it, every probe of a watch decides by it as well.
    TenantsPolicy = "tenants.policy", "CANARY_TENANTS_POLICY", "tenants-policy", Kind::File, Unset;
    /// What stands for $canary_version in the policy: the release, as the metrics name it.
    TenantsVersion = "tenants.version", "CANARY_TENANTS_VERSION", "tenants-version", Kind::Words,
        Computed("the revision the release was built from, where that is known");
    /// The record of decisions; what they rest on lies in evidence/ and policies/ beside it.
    TenantsDecisionLog = "tenants.decision_log", "CANARY_DECISION_LOG", "decision-log", Kind::File,
        Computed("decisions.jsonl, in the service's own directory in state.dir");

    /// Where tenants' own endpoints are asked from: this process, containers of a Docker Engine, pods of a Kubernetes.
    ProbesRunner = "probes.runner", "CANARY_PROBES", "probes", Kind::Choice(PLACES), Text("in-process");
    /// The static program canary-probe, which containers run; an image of it alone is made on the engine.
    ProbesProgram = "probes.program", "CANARY_PROBE_PROGRAM", "probe-program", Kind::File, Text("/usr/lib/canary/canary-probe");
    /// An image with canary-probe as its entry point instead; pods need one.
    ProbesImage = "probes.image", "CANARY_PROBE_IMAGE", "probe-image", Kind::Words, Unset;
    /// The network of containers, as the engine has it: host, bridge, a network's name.
    ProbesNetwork = "probes.network", "CANARY_PROBE_NETWORK", "probe-network", Kind::Words, Text("host");
    /// The root certificates (PEM) that containers get for probes without a ca_file; they have none of their own.
    ProbesRoots = "probes.roots", "CANARY_PROBE_ROOTS", "probe-roots", Kind::File, Text("/etc/ssl/certs/ca-certificates.crt");
    /// The Docker Engine: unix:///path or tcp://host:port.
    ProbesDockerHost = "probes.docker_host", "CANARY_DOCKER_HOST", "docker-host", Kind::Words, Text("unix:///var/run/docker.sock");
    /// The namespace of the pods.
    ProbesNamespace = "probes.namespace", "CANARY_PROBE_NAMESPACE", "probe-namespace", Kind::Words, Text("default");
    /// The service account of the pods; none of its credentials is mounted.
    ProbesAccount = "probes.service_account", "CANARY_PROBE_SERVICE_ACCOUNT", "probe-service-account", Kind::Words,
        Computed("the namespace's default one");
    /// The context of the kubeconfig.
    ProbesContext = "probes.context", "CANARY_PROBE_CONTEXT", "probe-context", Kind::Words,
        Computed("the current one, or the pod's own");

    /// The directory of the journals.
    StateDir = "state.dir", "CANARY_STATE_DIR", "state-dir", Kind::File,
        Computed("/var/lib/canary for root, else $XDG_STATE_HOME/canary or ~/.local/state/canary");
    /// The key that signs the journal's head: Ed25519, PKCS #8 in PEM; made when it is not there.
    SigningKeyFile = "state.signing_key_file", "CANARY_SIGNING_KEY_FILE", "signing-key-file", Kind::File,
        Computed("signing.key, in the service's own directory in state.dir");
    /// A directory where the journals' heads are kept as well: a journal that is not as its copy knows it is refused.
    HeadCopies = "state.head_copies", "CANARY_HEAD_COPIES", "head-copies", Kind::File, Unset;
    /// How many rollouts' binaries stay in the artifact store, besides those that nodes have.
    KeepRollouts = "state.keep_rollouts", "CANARY_KEEP_ROLLOUTS", "keep-rollouts",
        Kind::Count { min: 1, max: 10_000 }, Count(20);

    /// For how long a call that can succeed later is tried again.
    RetryBudget = "retry.budget", "CANARY_RETRY_BUDGET", "retry-budget", time(Duration::ZERO, HOUR), Time(defaults::RETRY_BUDGET);
    /// The first delay before trying again; it doubles from there.
    RetryFirst = "retry.first", "CANARY_RETRY_FIRST", "retry-first", time(MILLISECOND, MINUTE), Time(defaults::RETRY_FIRST);
    /// The longest delay before trying again.
    RetryCap = "retry.cap", "CANARY_RETRY_CAP", "retry-cap", time(MILLISECOND, HOUR), Time(defaults::RETRY_CAP);

    /// A webhook that is told of rollouts, as JSON.
    NotifyWebhookUrl = "notify.webhook_url", "CANARY_NOTIFY_WEBHOOK_URL", "notify-webhook-url", Kind::Url, Unset;
    /// A file with the secrets that the webhook's bodies are signed with, one a line, the newest first.
    NotifyWebhookSecretFile = "notify.webhook_secret_file", "CANARY_NOTIFY_WEBHOOK_SECRET_FILE", "notify-webhook-secret-file",
        Kind::File, Unset;
    /// A file with the address of a Slack-compatible incoming webhook, which is a secret.
    NotifySlackUrlFile = "notify.slack_url_file", "CANARY_NOTIFY_SLACK_URL_FILE", "notify-slack-url-file", Kind::File, Unset;
    /// A receiver of CDEvents.
    NotifyCdeventsUrl = "notify.cdevents_url", "CANARY_NOTIFY_CDEVENTS_URL", "notify-cdevents-url", Kind::Url, Unset;
    /// A file with the bearer token for the receiver of CDEvents.
    NotifyCdeventsTokenFile = "notify.cdevents_token_file", "CANARY_NOTIFY_CDEVENTS_TOKEN_FILE", "notify-cdevents-token-file",
        Kind::File, Unset;
    /// Datadog's site (datadoghq.com, datadoghq.eu, …) whose events tell of rollouts; or the URL of what speaks its API.
    NotifyDatadogSite = "notify.datadog_site", "CANARY_NOTIFY_DATADOG_SITE", "notify-datadog-site", Kind::Words, Unset;
    /// A file with Datadog's API key: the key alone, or a line DD_API_KEY=….
    NotifyDatadogKeyFile = "notify.datadog_key_file", "CANARY_NOTIFY_DATADOG_KEY_FILE", "notify-datadog-key-file", Kind::File, Unset;
    /// The base address of a Prometheus Alertmanager, which gets alerts.
    NotifyAlertmanagerUrl = "notify.alertmanager_url", "CANARY_NOTIFY_ALERTMANAGER_URL", "notify-alertmanager-url", Kind::Url, Unset;
    /// A file with the bearer token for the Alertmanager, or for what stands before it.
    NotifyAlertmanagerTokenFile = "notify.alertmanager_token_file", "CANARY_NOTIFY_ALERTMANAGER_TOKEN_FILE",
        "notify-alertmanager-token-file", Kind::File, Unset;
    /// What is told: everything, problems, or ends.
    NotifyOn = "notify.on", "CANARY_NOTIFY_ON", "notify-on", Kind::Choice(&["all", "problems", "ends"]), Text("all");
    /// The environment's name in notifications.
    NotifyEnvironment = "notify.environment", "CANARY_NOTIFY_ENVIRONMENT", "notify-environment", Kind::Words,
        Computed("the pool's name");
    /// A watch without data, or a step that waits, is told once it lasts this long.
    NotifyHoldAfter = "notify.hold_after", "CANARY_NOTIFY_HOLD_AFTER", "notify-hold-after", time(SECOND, DAY),
        Time(Duration::from_secs(300));
    /// How long a command waits at its end for notifications that are still on their way.
    NotifyFlushTimeout = "notify.flush_timeout", "CANARY_NOTIFY_FLUSH_TIMEOUT", "notify-flush-timeout",
        time(Duration::ZERO, HOUR), Time(Duration::from_secs(10));

    /// A file that the engine's own metrics are written to, for node_exporter's textfile collector.
    MetricsTextfile = "telemetry.metrics_textfile", "CANARY_METRICS_TEXTFILE", "metrics-textfile", Kind::File, Unset;
    /// Where the engine's own metrics are served while a command runs: an address of this host and a port.
    MetricsListen = "telemetry.metrics_listen", "CANARY_METRICS_LISTEN", "metrics-listen", Kind::Loopback, Unset;
    /// What is logged to standard error.
    Log = "telemetry.log", "CANARY_LOG", "log", Kind::Choice(&["off", "error", "warn", "info", "debug", "trace"]), Text("off");
    /// A collector that gets a span for each rollout and step, by OTLP over HTTP; in builds with the feature `otlp`.
    OtlpEndpoint = "telemetry.otlp_endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT", "otlp-endpoint", Kind::Url, Unset;

    /// Who is responsible for the change, for the record.
    Actor = "actor", "CANARY_ACTOR", "actor", Kind::Words, Computed("SUDO_USER or USER, at the host's name");
    /// Why the change is made, for the record.
    Reason = "reason", "CANARY_REASON", "reason", Kind::Words, Unset;
}
