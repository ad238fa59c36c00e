//! What HAProxy answers, each reply alone and two tables of a pool put together.
#![no_main]

use canary_core::fleet::PoolName;
use canary_haproxy::codec::{
    assemble, parse_info, parse_level, parse_servers_conn, parse_servers_state, parse_stat,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = parse_info(text);
    let _ = parse_level(text);
    let _ = parse_servers_conn(text, "api_pool");
    // Two replies in one input: what one table says must not bring the reader of the other down.
    let (state, stat) = text.split_once("\n---\n").unwrap_or((text, text));
    let (rows, counters) = (parse_servers_state(state), parse_stat(stat, "api_pool"));
    if let (Ok(rows), Ok(Some(counters)), Ok(pool)) = (rows, counters, PoolName::new("api_pool"))
        && let Ok(pool) = assemble(&pool, "1".to_owned(), &rows, &counters, None)
    {
        assert_eq!(pool.servers.len(), rows.len());
    }
});
