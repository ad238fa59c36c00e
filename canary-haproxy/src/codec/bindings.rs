//! The head of a stick table.

/// The type of the keys of a stick table that keeps which server a client was sent to (`ip`), from the reply to
/// `show table POOL data.server_id lt 0`; `None` where there is none, or it keeps something else.
///
/// HAProxy answers with `# table: NAME, type: ip, size:1024, used:3`, else with `No such table`, `Filter entry #1: Data type not
/// stored in this table`, or, below level operator, with a remark in a second line.
#[must_use]
pub fn parse_bindings(said: &str, pool: &str) -> Option<String> {
    let mut lines = said.lines().filter(|line| !line.is_empty());
    let head = lines.next()?.strip_prefix("# table: ")?.strip_prefix(pool)?.strip_prefix(", type: ")?;
    let keys: String = head.split(',').next()?.chars().take(20).collect();
    let plain = !keys.is_empty() && keys.chars().all(|c| c.is_ascii_alphanumeric());
    (plain && lines.next().is_none()).then_some(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_table_that_keeps_servers_binds_clients() {
        let head = "# table: api_pool, type: ip, size:10240, used:1";
        let kept = |said: &str| parse_bindings(said, "api_pool");
        assert_eq!(kept(&format!("{head}\n")).as_deref(), Some("ip"));
        assert_eq!(kept(&head.replace("ip", "string")).as_deref(), Some("string"));
        for other in [
            "",
            "No such table\n",
            "Filter entry #1: Data type not stored in this table\n",
            "# table: api_pool2, type: ip, size:10240, used:1\n",
            "# table: api_pool, type: , size:10240\n",
            "# table: api_pool, type: i\u{1b}p, size:10240\n",
            &format!("{head}\n# contents not dumped due to insufficient privileges\n"),
        ] {
            assert_eq!(kept(other), None, "{other:?}");
        }
    }
}
