//! Replies of HAProxy 2.4 to 3.2 to the same four questions about the same pool, and what must be refused.

use canary_core::fleet::{NodeId, PoolName};
use canary_core::traits::{AdminState, Operational, PoolState, Server, Weight};
use proptest::prelude::*;

use super::*;

struct Replies {
    release: &'static str,
    version: Version,
    info: &'static str,
    state: &'static str,
    stat: &'static str,
    conn: &'static str,
}

macro_rules! replies {
    ($dir:literal, $release:literal, $major:literal, $minor:literal) => {
        Replies {
            release: $release,
            version: Version { major: $major, minor: $minor },
            info: include_str!(concat!("../../tests/fixtures/", $dir, "/info.txt")),
            state: include_str!(concat!("../../tests/fixtures/", $dir, "/state.txt")),
            stat: include_str!(concat!("../../tests/fixtures/", $dir, "/stat.txt")),
            conn: include_str!(concat!("../../tests/fixtures/", $dir, "/conn.txt")),
        }
    };
}

const VERSIONS: [Replies; 5] = [
    replies!("2.4", "2.4.22-f8e3218", 2, 4),
    replies!("2.6", "2.6.12-1+deb12u4", 2, 6),
    replies!("2.8", "2.8.9-1842fd0", 2, 8),
    replies!("3.0", "3.0.5-8e879a5", 3, 0),
    replies!("3.2", "3.2.4-98813a1f1", 3, 2),
];

fn pool() -> PoolName {
    PoolName::new("api_pool").unwrap()
}

fn server(name: &str, port: u16, admin: AdminState, operational: Operational) -> Server {
    Server {
        node: NodeId::new(name).unwrap(),
        address: Some(format!("127.0.0.1:{port}")),
        admin,
        operational,
        checked: true,
        weight: Weight::new(100).unwrap(),
        configured_weight: Weight::new(100).unwrap(),
        backup: false,
        sessions: 0,
        queued: 0,
        served: 0,
    }
}

#[test]
fn every_version_reads_the_same() {
    let weight = |n| Weight::new(n).unwrap();
    let expected = PoolState {
        pool: pool(),
        epoch: "1979@1795255754".to_owned(),
        algorithm: Some("roundrobin".to_owned()),
        sticky: None,
        servers: vec![
            Server {
                sessions: 5,
                queued: 2,
                served: 4,
                ..server("backend-api-1", 18081, AdminState::Ready, Operational::Starting)
            },
            Server {
                served: 3,
                weight: weight(10),
                ..server("backend-api-2", 18082, AdminState::Drain, Operational::Up)
            },
            Server {
                weight: weight(50),
                configured_weight: weight(50),
                ..server("backend-api-3", 18083, AdminState::Maint, Operational::Down)
            },
            Server {
                weight: weight(1),
                configured_weight: weight(1),
                backup: true,
                ..server("spare", 18084, AdminState::Ready, Operational::Down)
            },
        ],
    };
    for replies in &VERSIONS {
        let info = parse_info(replies.info).unwrap();
        assert_eq!((info.release.as_str(), info.version), (replies.release, replies.version));
        assert_eq!((info.pid, info.uptime, info.stopping), (1979, 2, false));
        let rows = parse_servers_state(replies.state).unwrap();
        let counters = parse_stat(replies.stat, "api_pool").unwrap().unwrap();
        let state = assemble(&pool(), info.epoch(), &rows, &counters, None).unwrap();
        assert_eq!(state, expected, "{}", replies.release);
        let connections = parse_servers_conn(replies.conn, "api_pool").unwrap();
        assert_eq!(connections.len(), 4, "{}", replies.release);
        let first = ServerConnections { server: "backend-api-1".to_owned(), in_use: 5, idle: 3 };
        assert_eq!(connections[0], first, "{}", replies.release);
    }
}

#[test]
fn admin_flags_amount_to_a_state() {
    use AdminState::{Drain, Maint, Ready};
    let cases = [
        (0x00, Ready),
        (0x01, Maint),
        (0x02, Maint),
        (0x04, Ready),
        (0x05, Maint),
        (0x08, Drain),
        (0x10, Drain),
        (0x0c, Drain),
        (0x09, Maint),
        (0x12, Maint),
        (0x20, Maint),
        (0x28, Maint),
        (0x40, Ready),
        (0x48, Drain),
        (0x60, Maint),
    ];
    for (bits, state) in cases {
        assert_eq!(AdminFlags::new(bits).state(), state, "{bits:#x}");
    }
}

#[test]
fn a_check_counts_when_configured_and_enabled() {
    for (bits, active) in [(0, false), (2, false), (4, false), (6, true), (7, true), (14, true), (22, true)] {
        assert_eq!(CheckFlags::new(bits).active(), active, "{bits}");
    }
}

#[test]
fn operational_states_are_numbers() {
    use Operational::{Down, Starting, Stopping, Up};
    for (number, expected) in [("0", Down), ("1", Starting), ("2", Up), ("3", Stopping)] {
        let reply = VERSIONS[1].state.replace("127.0.0.1 1 0 100", &format!("127.0.0.1 {number} 0 100"));
        assert_eq!(parse_servers_state(&reply).unwrap()[0].operational, expected);
    }
}

#[test]
fn addresses_of_all_families() {
    let reply = VERSIONS[1].state.replacen("127.0.0.1", "::1", 1).replacen("127.0.0.1", "-", 1);
    let rows = parse_servers_state(&reply).unwrap();
    assert_eq!(rows[0].address.as_deref(), Some("[::1]:18081"));
    assert_eq!(rows[1].address, None);
}

#[test]
fn quoted_fields_may_hold_commas_quotes_and_line_feeds() {
    let counters = parse_stat(VERSIONS[4].stat, "api_pool").unwrap().unwrap();
    assert!(VERSIONS[4].stat.contains("\"a \"\"quoted\"\", check\nover two lines\""));
    assert_eq!(counters.servers.len(), 4);
}

#[test]
fn a_frontend_of_the_same_name_is_not_the_pool() {
    let frontend = "# pxname,svname,type,qcur,scur,stot,bck,-,\napi_pool,FRONTEND,0,,0,0,,-,\n\n";
    assert_eq!(parse_stat(frontend, "api_pool"), Ok(None));
    assert_eq!(parse_stat(VERSIONS[1].stat, "other"), Ok(None));
}

#[test]
fn what_differs_from_the_guide_is_named() {
    let state = |from: &str, to: &str| {
        parse_servers_state(&VERSIONS[1].state.replacen(from, to, 1)).unwrap_err().to_string()
    };
    assert_eq!(state("1\n# be", "2\n# be"), "expected the format's version, 1, found \"2\"");
    assert!(state("# be_id", "be_id").starts_with("expected the header \"# be_id be_name …\", found"));
    assert_eq!(state(" srv_admin_state", ""), "row 1 has 25 fields, its header has 24");
    assert_eq!(state(" srv_admin_state", " other_state"), "there is no \"srv_admin_state\"");
    assert_eq!(state("127.0.0.1 1 0", "127.0.0.1 9 0"), "srv_op_state of row 1 is \"9\", not 0, 1, 2 or 3");
    assert_eq!(
        state("127.0.0.1 2 8 10", "127.0.0.1 2 x 10"),
        "srv_admin_state of row 2 is \"x\", not a number in range"
    );
    assert_eq!(
        state("127.0.0.1 2 8 10", "127.0.0.1 2 -8 10"),
        "srv_admin_state of row 2 is \"-8\", not a number in range"
    );
    let stat = |from: &str, to: &str| {
        parse_stat(&VERSIONS[1].stat.replacen(from, to, 1), "api_pool").unwrap_err().to_string()
    };
    assert!(stat("# px", "px").starts_with("expected the header \"# pxname,svname,…\", found \"pxname,"));
    assert_eq!(stat(",stot,", ",total,"), "there is no \"stot\"");
    assert_eq!(
        stat("api_pool,backend-api-1,2,2,5", "api_pool,backend-api-1,2,2,-1"),
        "scur of row 1 is \"-1\", not a number in range"
    );
    assert_eq!(stat("api_pool,BACKEND", "other,BACKEND"), "there is no \"BACKEND\"");
    let info =
        |from: &str, to: &str| parse_info(&VERSIONS[1].info.replacen(from, to, 1)).unwrap_err().to_string();
    assert_eq!(info("Pid: 1979\n", ""), "there is no \"Pid\"");
    assert_eq!(info("Pid: 1979", "Pid: x"), "Pid of row 0 is \"x\", not a number in range");
    assert_eq!(
        info("Version: 2.6.12-1+deb12u4", "Version: next"),
        "Version of row 0 is \"next\", not a version"
    );
    assert!(parse_level("root\n").is_err());
}

#[test]
fn an_epoch_needs_the_start() {
    let info = parse_info(&VERSIONS[0].info.replace("Start_time_sec: 1795255754\n", "")).unwrap();
    assert_eq!(info.epoch(), "1979@?");
}

#[test]
fn tables_that_disagree_are_refused() {
    let rows = parse_servers_state(VERSIONS[1].state).unwrap();
    let counters = parse_stat(VERSIONS[1].stat, "api_pool").unwrap().unwrap();
    let refuse = |rows: &[ServerRow], counters: &PoolCounters| {
        assemble(&pool(), String::new(), rows, counters, None).unwrap_err().to_string()
    };
    let mut fewer = counters.clone();
    fewer.servers.remove(1);
    assert_eq!(
        refuse(&rows, &fewer),
        "the server \"backend-api-2\" is in \"show servers state\" but not in \"show stat\""
    );
    assert_eq!(
        refuse(&rows[1..], &counters),
        "the server \"backend-api-1\" is in \"show stat\" but not in \"show servers state\""
    );
    let mut twice = counters.clone();
    twice.servers.push(twice.servers[0].clone());
    assert_eq!(refuse(&rows, &twice), "the server \"backend-api-1\" is in \"show stat\" twice");
    let mut doubled = rows.clone();
    doubled.push(rows[0].clone());
    assert_eq!(
        refuse(&doubled, &counters),
        "the server \"backend-api-1\" is in \"show servers state\" twice"
    );
    let mut heavy = rows.clone();
    heavy[0].weight = 257;
    assert_eq!(refuse(&heavy, &counters), "srv_uweight of \"backend-api-1\" is 257, above 256");
    let mut foreign = rows.clone();
    foreign[2].pool = "other".to_owned();
    assert_eq!(refuse(&foreign, &counters), "asked for the pool \"api_pool\", got \"other\"");
    let (mut odd_rows, mut odd) = (rows.clone(), counters.clone());
    odd_rows[0].server = "10.0.0.1:80".to_owned();
    odd.servers[0].server = "10.0.0.1:80".to_owned();
    assert!(refuse(&odd_rows, &odd).starts_with("a server cannot be addressed: \"10.0.0.1:80\""));
}

/// A real reply with a piece cut out, doubled or replaced.
fn damaged(reply: &'static str) -> impl Strategy<Value = String> {
    let places = 0..=reply.len();
    (places.clone(), places, "(\\PC|\n|\"|,|-|[0-9]){0,6}", any::<bool>()).prop_map(
        move |(a, b, new, keep)| {
            let (from, to) = (floor(reply, a.min(b)), floor(reply, a.max(b)));
            let tail = if keep { &reply[from..] } else { &reply[to..] };
            format!("{}{new}{tail}", &reply[..from])
        },
    )
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in "(\\PC|\n|\"|,|# |[0-9]){0,80}") {
        let _ = parse_info(&text);
        let _ = parse_level(&text);
        let _ = parse_servers_state(&text);
        let _ = parse_servers_state(&format!("1\n# {text}"));
        let _ = parse_stat(&text, "p");
        let _ = parse_stat(&format!("# {text}"), "p");
        let _ = parse_servers_conn(&text, "p");
        let _ = parse_servers_conn(&format!("# bkname/svname used_cur idle_cur idle_per_thr[{text}"), "p");
    }

    #[test]
    fn damaged_state_is_refused_or_has_the_whole_pool_or_less(text in damaged(VERSIONS[1].state)) {
        if let Ok(rows) = parse_servers_state(&text) {
            for row in rows {
                prop_assert!(!row.server.is_empty() && !row.pool.is_empty());
            }
        }
    }

    #[test]
    fn damaged_replies_never_make_a_shorter_pool(
        state in damaged(VERSIONS[1].state),
        stat in damaged(VERSIONS[4].stat),
    ) {
        let whole_rows = parse_servers_state(VERSIONS[1].state).unwrap();
        let whole_counters = parse_stat(VERSIONS[1].stat, "api_pool").unwrap().unwrap();
        if let Ok(Some(counters)) = parse_stat(&stat, "api_pool")
            && let Ok(pool) = assemble(&pool(), String::new(), &whole_rows, &counters, None)
        {
            prop_assert_eq!(pool.servers.len(), 4);
        }
        if let Ok(rows) = parse_servers_state(&state)
            && let Ok(pool) = assemble(&pool(), String::new(), &rows, &whole_counters, None)
        {
            prop_assert_eq!(pool.servers.len(), 4);
        }
    }

    #[test]
    fn csv_fields_round_trip(fields in proptest::collection::vec("(\\PC|\n|\"|,){0,10}", 1..4)) {
        let quoted: Vec<String> = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
        let header: Vec<String> = (0..fields.len()).map(|i| format!("c{i}")).collect();
        let text = format!("# {},x,-,\n{},1,-,\n", header.join(","), quoted.join(","));
        let table = table::Table::csv(&text, "a header").unwrap();
        let row = table.rows().next().unwrap();
        for (name, field) in header.iter().zip(&fields) {
            prop_assert_eq!(row.optional(name), Some(field.as_str()));
        }
    }
}
