//! Inputs that cannot be used, each with its whole message.

use crate::testing::World;
use std::fmt::Write as _;

/// Configuration files, as text.
const FILES: &[(&str, &str)] = &[
    ("a misspelt key", "[drain]\ntimout = \"30s\"\n"),
    ("a misspelt section", "[drian]\ntimeout = \"30s\"\n"),
    ("a key of another section", "[drain]\nwindow = \"1h\"\n"),
    ("a key like no other", "[drain]\nbananas = 1\n"),
    ("a section like no other", "[bananas]\nripe = true\n"),
    ("a setting outside its section", "window = \"1h\"\n"),
    ("a variable's name in the file", "PROM_URL = \"http://p:9090\"\n"),
    ("a hostile key", "[drain]\n\"a\\nb;c\" = 1\n"),
    ("a number for a time", "[drain]\ntimeout = 30\n"),
    ("a part of a second for a time", "[drain]\ntimeout = 0.5\n"),
    ("true for a time", "[drain]\ntimeout = true\n"),
    ("a negative time", "[drain]\ntimeout = \"-5s\"\n"),
    ("a negative number for a time", "[drain]\ntimeout = -5\n"),
    ("no time at all", "[drain]\ntimeout = \"soon\"\n"),
    ("a time without end", "[watch]\nwindow = \"9999999999999999999999s\"\n"),
    ("a drain of no time", "[drain]\ntimeout = \"0s\"\n"),
    ("a window of a year", "[watch]\nwindow = \"1y\"\n"),
    ("a window of one probe", "[watch]\nwindow = \"30s\"\ninterval = \"30s\"\n"),
    ("a window shorter than two default probes", "[watch]\nwindow = \"59s\"\n"),
    ("no time between probes", "[watch]\ninterval = \"0s\"\n"),
    ("a node with a command", "[fleet]\ncanary = \"a; show info\"\n"),
    ("a node with a line feed", "[fleet]\ncanary = \"a\\nb\"\n"),
    ("a node with a substitution", "[fleet]\ncanary = \"$(reboot)\"\n"),
    ("a node named like a flag", "[fleet]\ncanary = \"-rf\"\n"),
    ("an empty pool", "[fleet]\npool = \"\"\n"),
    ("a pool of blanks", "[fleet]\npool = \"   \"\n"),
    ("a pool with a slash", "[fleet]\npool = \"api/pool\"\n"),
    (
        "a very long name",
        "[fleet]\npool = \"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhhiiiii\"\n",
    ),
    ("a text for peers", "[fleet]\npeers = \"backend-api-1\"\n"),
    ("a number among the peers", "[fleet]\npeers = [\"backend-api-1\", 7]\n"),
    ("a bad name among the peers", "[fleet]\npeers = [\"backend-api-1\", \"b`id`\"]\n"),
    ("a peer named twice", "[fleet]\npeers = [\"b-1\", \"b-3\", \"b-1\"]\n"),
    ("the canary among the peers", "[fleet]\ncanary = \"b-1\"\npeers = [\"b-1\", \"b-3\"]\n"),
    ("a pause after nobody", "[pause]\nafter = [\"canary\", \"b-9\"]\n"),
    ("no servers to keep", "[fleet]\nmin_available = 0\n"),
    ("a negative number of servers", "[fleet]\nmin_available = -1\n"),
    ("half a server", "[fleet]\nmin_available = 1.5\n"),
    ("a number in quotes", "[fleet]\nmin_available = \"1\"\n"),
    ("a number beyond all bounds", "[fleet]\nmin_available = 99999999999999999999999999999999999999999\n"),
    ("yes in quotes", "[fleet]\nroll_back_peers = \"yes\"\n"),
    ("a threshold that is no number", "[watch]\np95_threshold = nan\n"),
    ("a threshold without end", "[watch]\np95_threshold = inf\n"),
    ("a threshold of nothing", "[watch]\np95_threshold = 0\n"),
    ("a negative threshold", "[watch]\np95_threshold = -0.5\n"),
    ("a threshold in quotes", "[watch]\np95_threshold = \"0.5\"\n"),
    ("a ratio above one", "[watch]\nerror_ratio_threshold = 5\n"),
    ("a ratio of no number", "[watch]\nerror_ratio_threshold = nan\n"),
    ("a ratio of nothing", "[watch]\nerror_ratio_threshold = 0.0\n"),
    ("a percentage above all", "[watch]\nerror_ratio_threshold = \"150%\"\n"),
    ("a weight step of everything", "[weights]\nsteps = [\"5%\", \"100%\"]\n"),
    ("weight steps without percent", "[weights]\nsteps = [5, 25]\n"),
    ("weight steps that do not ascend", "[weights]\nsteps = [\"25%\", \"5%\"]\n"),
    ("weight steps as one text", "[weights]\nsteps = \"5% 25%\"\n"),
    ("weight steps and no watch", "[weights]\nsteps = [\"5%\"]\n[watch]\nwindow = \"0s\"\n"),
    ("weight steps too short to be seen", "[weights]\nsteps = [\"5%\"]\nwindow = \"50s\"\n"),
    ("too many weight steps", "[weights]\nsteps = [\"5%\", \"25%\", \"50%\"]\n[watch]\nwindow = \"150s\"\n"),
    ("a percentage of words", "[watch]\nerror_ratio_threshold = \"few%\"\n"),
    ("a misspelt choice", "[drain]\non_timeout = \"close-session\"\n"),
    ("a choice like no other", "[watch]\nsource = \"graphite\"\n"),
    ("a port too large", "[health]\nport = 70000\n"),
    ("a health path without slash", "[health]\npath = \"api/v1/health\"\n"),
    ("a health path with a header", "[health]\npath = \"/health HTTP/1.0\\r\\nHost: x\"\n"),
    ("an attempt longer than all", "[health]\ntimeout = \"2s\"\nattempt_timeout = \"3s\"\n"),
    ("a directory that climbs", "[service]\ninstall_dir = \"/opt/../etc\"\n"),
    ("a relative directory in the instance", "[service]\ninstall_dir = \"opt\"\n"),
    ("a binary with a directory", "[service]\nbinary_name = \"bin/veza-api\"\n"),
    ("a unit with a blank", "[service]\nunit = \"veza api\"\n"),
    ("an address without scheme", "[prometheus]\nurl = \"prom.lxd:9090\"\n"),
    ("an address with a password", "[prometheus]\nurl = \"http://ada:secret@prom.lxd:9090\"\n"),
    ("an address with a hidden password", "[prometheus]\nurl = \"http://ada:p/w@prom.lxd:9090\"\n"),
    ("an address with a bad port", "[prometheus]\nurl = \"http://prom.lxd:99999\"\n"),
    ("an address without host", "[prometheus]\nurl = \"http:///x\"\n"),
    ("an address with a line feed", "[haproxy]\nurl = \"http://lb\\n.lxd\"\n"),
    ("a metric with a selector", "[prometheus]\nlatency_metric = \"up{job=\\\"x\\\"}\"\n"),
    ("a socket without scheme", "[haproxy]\naddress = \"/run/haproxy.sock\"\n"),
    ("a socket without port", "[haproxy]\naddress = \"tcp:10.0.0.1\"\n"),
    ("a socket on a relative path", "[haproxy]\naddress = \"unix:run/haproxy.sock\"\n"),
    ("an instance without socket", "[haproxy]\naddress = \"instance:haproxy\"\n"),
    ("an open address for Incus", "[incus]\nurl = \"http://10.0.0.1:8443\"\n"),
    ("no certificates for Incus", "[incus]\nurl = \"https://10.0.0.1:8443\"\nclient_cert = \"c.pem\"\n"),
    ("certificates without address", "[incus]\nclient_cert = \"c.pem\"\n"),
    ("a git option for a reference", "[migrations]\nbase = \"--upload-pack=x\"\n"),
    ("a range for a reference", "[migrations]\nbase = \"a..b\"\n"),
    ("the canary alone without a label", "[watch]\nsubject = \"canary\"\n"),
    ("nothing to watch", "[watch]\nbuiltin_slis = false\n"),
    ("a key written twice", "[drain]\ntimeout = \"30s\"\ntimeout = \"40s\"\n"),
    ("a section written twice", "[drain]\ntimeout = \"30s\"\n[drain]\non_timeout = \"give_up\"\n"),
    ("a section as a value", "drain = \"30s\"\n"),
    ("no TOML", "[drain\ntimeout = 30s\nwindow == 1\n"),
    ("an unfinished text", "[drain]\ntimeout = \"30s\n"),
    ("a windows file", "[drain]\r\ntimeout = \"x\"\r\n"),
    ("a byte order mark", "\u{feff}drain = 1\n"),
    ("letters of more than one byte before it", "reason = \"größer\"\nactor = 5\n"),
    ("an indicator without brackets", "[sli]\nname = \"x\"\n"),
    ("an empty indicator", "[[sli]]\n"),
    ("an indicator with two bounds", "[[sli]]\nname = \"x\"\npromql = \"up\"\nbelow = 1\nabove = 0\n"),
    ("an indicator with a bad bound", "[[sli]]\nname = \"x\"\npromql = \"up\"\nbelow = nan\n"),
    ("an indicator with a taken name", "[[sli]]\nname = \"p95\"\npromql = \"up\"\nbelow = 1\n"),
    ("an indicator with a misspelt key", "[[sli]]\nname = \"x\"\npromq = \"up\"\nbelow = 1\n"),
    (
        "two indicators of one name",
        "[[sli]]\nname = \"x\"\npromql = \"up\"\nbelow = 1\n[[sli]]\nname = \"x\"\npromql = \"up\"\nbelow = 1\n",
    ),
    (
        "indicators that only Prometheus knows",
        "[watch]\nsource = \"metrics\"\n[[sli]]\nname = \"x\"\npromql = \"up\"\nbelow = 1\n",
    ),
    ("a judge like no other", "[watch]\njudge = [\"threshold\", \"ods\"]\n"),
    ("a judge without brackets", "[watch]\njudge = \"odds\"\n"),
    ("a judge twice", "[watch]\njudge = [\"odds\", \"odds\"]\n"),
    ("no judge", "[watch]\n\njudge = []\n"),
    ("a chance of nothing", "[watch]\nalpha = 0\n"),
    ("a chance of one half", "[watch]\nalpha = \"50%\"\n"),
    ("a chance of words", "[watch]\nbeta = \"small\"\n"),
    ("a history too short to learn from", "[watch]\nhistory = \"10m\"\n"),
    ("a warm-up of the whole window", "[watch]\njudge = [\"odds\"]\nwindow = \"5m\"\nwarm_up = \"5m\"\n"),
    ("a score upside down", "[watch]\nscore_pass = 0.5\n"),
    ("a budget of an unknown reason", "[watch.hold_budgets]\nsource_gone = \"5m\"\n"),
    ("a budget without unit", "[watch]\nhold_budgets = { stale = 5 }\n"),
    ("a budget of the wrong type", "[watch]\nhold_budgets = { stale = true }\n"),
    ("a budget for all", "[watch]\nhold_budgets = \"5m\"\n"),
    ("common faults that nobody sees", "[watch]\ncommon_fault = \"hold\"\n"),
    ("failures of nothing", "[watch]\nconsecutive_failures = 0\n"),
    (
        "an indicator that measures two things",
        "[[sli]]\nname = \"x\"\npromql = \"up\"\nrequests_metric = \"r_total\"\nbelow = 1\n",
    ),
    ("a histogram without quantile", "[[sli]]\nname = \"x\"\nlatency_metric = \"l_seconds\"\nbelow = 1\n"),
    (
        "a quantile of a counter",
        "[[sli]]\nname = \"x\"\nrequests_metric = \"r_total\"\nquantile = 1.5\nbelow = 1\n",
    ),
    ("a metric that is none", "[[sli]]\nname = \"x\"\nrequests_metric = \"r-total\"\nbelow = 1\n"),
    (
        "an indicator with a role and a weight",
        "[[sli]]\nname = \"x\"\npromql = \"up\"\nbelow = 1\nrole = \"critical\"\nweight = 2\n",
    ),
    ("an indicator with a role like no other", "[[sli]]\nname = \"p95\"\nrole = \"vital\"\n"),
    ("half a weight", "[[sli]]\nname = \"p95\"\nweight = 0.5\n"),
    ("a margin for an expression", "[[sli]]\nname = \"x\"\npromql = \"up\"\nbelow = 1\nmargin = 1.2\n"),
    ("a margin below one", "[[sli]]\nname = \"p95\"\nmargin = 0.9\n"),
    ("less ruled out than accepted", "[[sli]]\nname = \"error_ratio\"\nrules_out = 1.1\n"),
    ("a built-in indicator with a bound", "[[sli]]\nname = \"p95\"\nbelow = 0.2\n"),
    (
        "a built-in indicator that is off",
        "[watch]\nbuiltin_slis = false\n[[sli]]\nname = \"p95\"\nweight = 2\n[[sli]]\nname = \"x\"\npromql = \"up\"\nbelow = 1\n",
    ),
    ("an indicator of the canary without a label", "[[sli]]\nname = \"p95\"\nsubject = \"canary\"\n"),
    (
        "advice alone",
        "[[sli]]\nname = \"p95\"\nrole = \"advisory\"\n[[sli]]\nname = \"error_ratio\"\nrole = \"advisory\"\n",
    ),
    (
        "a comparison of nothing",
        "[watch]\njudge = [\"odds\"]\nbuiltin_slis = false\n[[sli]]\nname = \"x\"\npromql = \"up\"\nbelow = 1\n",
    ),
    (
        "many things at once",
        "[fleet]\npool = \"\"\ncanary = \"a;b\"\n[drain]\ntimout = 3\n[watch]\nwindow = \"-1s\"\ninterval = \"1s\"\n",
    ),
];

/// Environment variables.
const VARIABLES: &[(&str, &[(&str, &str)])] = &[
    ("a window of words", &[("SLI_WINDOW", "one hour")]),
    ("a negative window", &[("SLI_WINDOW", "-1")]),
    ("half a second of window", &[("SLI_WINDOW", "0.5")]),
    ("a window of one probe", &[("SLI_WINDOW", "30")]),
    ("seconds where a unit is needed", &[("CANARY_UP_TIMEOUT", "30")]),
    ("a node with a command", &[("CANARY_NODE", "backend-api-2; reboot")]),
    ("peers with a substitution", &[("PEER_NODES", "backend-api-1 $(id)")]),
    ("peers with commas", &[("PEER_NODES", "backend-api-1,backend-api-3")]),
    ("a peer named twice", &[("PEER_NODES", "b-1 b-1")]),
    ("the default peer as canary", &[("CANARY_NODE", "backend-api-1")]),
    ("a pool with a line feed", &[("POOL_BACKEND", "api\npool")]),
    ("a threshold that is no number", &[("PROM_P95_THRESHOLD_S", "NaN")]),
    ("an error rate that is no number", &[("PROM_ERR_RATE_THRESHOLD", "nan")]),
    ("an error rate above all", &[("PROM_ERR_RATE_THRESHOLD", "5")]),
    ("an address without scheme", &[("PROM_URL", "prom.lxd:9090")]),
    ("an address with a password", &[("PROM_URL", "https://ada:secret@prom.lxd")]),
    ("a force of maybe", &[("FORCE_MIGRATE", "maybe")]),
    ("a budget without time", &[("CANARY_HOLD_BUDGETS", "no_traffic")]),
    ("a budget twice", &[("CANARY_HOLD_BUDGETS", "stale=1m stale=2m")]),
    ("judges with commas", &[("CANARY_JUDGE", "threshold,odds")]),
    ("an artifact with a line feed", &[("ARTIFACT", "/tmp/a\nb")]),
    ("a health path with a blank", &[("HEALTH_PATH", "/api health")]),
    ("several at once", &[("SLI_WINDOW", "x"), ("CANARY_NODE", "a/b"), ("DRAIN_TIMEOUT", "0")]),
];

/// Flags.
const FLAGS: &[(&str, &[&str])] = &[
    ("a misspelt flag", &["--drain-timout", "30s"]),
    ("a flag without value", &["--pool"]),
    ("a flag twice", &["--pool", "a", "--pool", "b"]),
    ("an empty pool", &["--pool", ""]),
    ("a node with a command", &["--canary", "a;b"]),
    ("seconds where a unit is needed", &["--window", "3600"]),
    ("a negative time", &["--drain-timeout=-5s"]),
    ("a yes that is none", &["--force-migrate=perhaps"]),
    ("a reason without end", &["--reason", REASON]),
    ("an empty file name", &["-f", ""]),
    ("a file that is not there", &["-f", "nowhere.toml"]),
    ("a file in no directory", &["-f", "no/where.toml"]),
    ("a directory for a file", &["-f", "."]),
];

const REASON: &str = "because because because because because because because because because because because because because because because because \
                      because because because because because because because because because because because because";

#[test]
fn files_that_cannot_be_used() {
    let mut text = String::new();
    for (name, contents) in FILES {
        let refusal = World::new().file(contents).refusal();
        write!(text, "--- {name}\n{contents}\n{refusal}\n").unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn variables_that_cannot_be_used() {
    let mut text = String::new();
    for (name, variables) in VARIABLES {
        let world = variables.iter().fold(World::new(), |world, (name, value)| world.variable(name, value));
        write!(text, "--- {name}\n{}\n", world.refusal()).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn flags_that_cannot_be_used() {
    let mut text = String::new();
    for (name, arguments) in FLAGS {
        write!(text, "--- {name}\n{}\n", World::new().arguments(arguments).refusal()).unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn bytes_that_are_no_text() {
    let mut text = World::new().file(b"[drain]\n# fine\ntimeout = \"\xff\"\n").refusal();
    text += &World::new().variable("POOL_BACKEND", b"api\xff").refusal();
    let bytes = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"api\xff");
    text += &World::new().arguments(&["--pool".as_ref(), bytes]).refusal();
    text += &World::new().file(vec![b'#'; 2 << 20]).refusal();
    insta::assert_snapshot!(text);
}

#[test]
fn every_layer_is_told_at_once() {
    let world = World::new()
        .file("[fleet]\npool = \"a b\"\n")
        .variable("SLI_WINDOW", "x")
        .arguments(&["--canary", "c;"]);
    insta::assert_snapshot!(world.refusal());
}

#[test]
fn local_fleets_that_cannot_be() {
    let nodes = "nodes = [\"api-1=127.0.0.1:8081\", \"api-2=127.0.0.1:8082\"]\n";
    let fleet = "[fleet]\nbackend = \"local\"\ncanary = \"api-2\"\npeers = [\"api-1\"]\n[local]\n";
    let mut text = String::new();
    for more in [
        "",
        "nodes = \"api-1=127.0.0.1:8081\"",
        "nodes = [\"api-1\"]",
        "nodes = [\"api-1=10.0.0.1:8081\"]",
        "nodes = [\"api-1=127.0.0.1:8081\", \"api-2=127.0.0.1:8081\"]",
        "nodes = [\"api-1=127.0.0.1:8081\"]",
        &format!("{nodes}listen = \"127.0.0.1:8081\""),
        &format!("{nodes}listen = \"0.0.0.0:80\""),
        &format!("{nodes}env = [\"TOKEN\", \"9=hunter2\"]"),
        &format!("{nodes}[backend.local]\ndir = \"x\""),
        &format!("{nodes}[watch]\nsource = \"metric\""),
    ] {
        let refusal = World::new().file(format!("{fleet}{more}\n")).refusal();
        text += &format!("=== {more}\n{refusal}");
    }
    text += &World::new().variable("CANARY_BACKEND", "locall").refusal();
    insta::assert_snapshot!(text);
}
