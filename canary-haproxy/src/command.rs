//! Commands of the Runtime API, safe by construction.

use std::fmt;
use std::str::FromStr;

use canary_core::fleet::{NodeId, PoolName};
use canary_core::traits::{AdminState, Weight};

/// One command of the Runtime API (HAProxy management guide, "Unix Socket commands").
///
/// Always one line of printable ASCII without what the command line gives a meaning: `;` joins commands, `<<` starts
/// a payload, `\` escapes, a leading `@` or `#` addresses another process or starts a comment. It has no line feed at its end; the
/// transport adds it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Command(String);

impl Command {
    /// `show info`: version, process and uptime.
    #[must_use]
    pub fn show_info() -> Self {
        Self("show info".to_owned())
    }

    /// `show backend`: the names of all pools.
    #[must_use]
    pub fn show_backends() -> Self {
        Self("show backend".to_owned())
    }

    /// `show cli level`: what this socket permits (`user`, `operator` or `admin`).
    #[must_use]
    pub fn show_cli_level() -> Self {
        Self("show cli level".to_owned())
    }

    /// `show servers state POOL`: admin and operational state as numbers.
    #[must_use]
    pub fn show_servers_state(pool: &PoolName) -> Self {
        Self(format!("show servers state {pool}"))
    }

    /// `show servers conn POOL`: connections in use and idle, since HAProxy 2.2.
    #[must_use]
    pub fn show_servers_conn(pool: &PoolName) -> Self {
        Self(format!("show servers conn {pool}"))
    }

    /// `show stat POOL -1 -1`: every counter of one pool as CSV. A name in the first place is understood since 1.7.
    #[must_use]
    pub fn show_stat(pool: &PoolName) -> Self {
        Self(format!("show stat {pool} -1 -1"))
    }

    /// `show stat ID -1 -1`: as [`Self::show_stat`], by the pool's number, which no frontend can share.
    #[must_use]
    pub fn show_stat_by_id(pool_id: u32) -> Self {
        Self(format!("show stat {pool_id} -1 -1"))
    }

    /// `show table POOL data.server_id lt 0`: the head of the pool's own stick table, and no entry of it, however many there are;
    /// refused where the table does not keep which server a client was sent to, and so binds nobody.
    #[must_use]
    pub fn show_table_of_bindings(pool: &PoolName) -> Self {
        Self(format!("show table {pool} data.server_id lt 0"))
    }

    /// `set server POOL/NODE state ready|drain|maint`.
    #[must_use]
    pub fn set_state(pool: &PoolName, node: &NodeId, state: AdminState) -> Self {
        Self(format!("set server {pool}/{node} state {state}"))
    }

    /// `set server POOL/NODE weight N`, absolute: a percentage would be rounded down on the configured weight.
    #[must_use]
    pub fn set_weight(pool: &PoolName, node: &NodeId, weight: Weight) -> Self {
        Self(format!("set server {pool}/{node} weight {}", weight.value()))
    }

    /// `shutdown sessions server POOL/NODE`.
    #[must_use]
    pub fn shutdown_sessions(pool: &PoolName, node: &NodeId) -> Self {
        Self(format!("shutdown sessions server {pool}/{node}"))
    }

    /// The line, without line feed.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it can change anything: everything but `show …`.
    #[must_use]
    pub fn changes(&self) -> bool {
        !self.0.starts_with("show ")
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Says why a text is not one safe command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not one command of the runtime API: {why}")]
pub struct CommandError {
    /// The refused text.
    pub text: String,
    /// The rule it breaks.
    pub why: &'static str,
}

impl FromStr for Command {
    type Err = CommandError;

    fn from_str(text: &str) -> Result<Self, CommandError> {
        let why = if text.is_empty() {
            "it is empty"
        } else if text.len() > 1024 {
            "it is longer than 1024 bytes"
        } else if text.chars().any(|c| !(c.is_ascii_graphic() || c == ' ')) {
            "it has a character that is not printable ASCII"
        } else if text.contains([';', '\\']) || text.contains("<<") {
            "it has ';', '\\' or '<<', which start another command or a payload"
        } else if text.starts_with(['@', '#', ' ']) || text.ends_with(' ') {
            "it starts with '@', '#' or a blank, or ends with a blank"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(CommandError { text: text.to_owned(), why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pool() -> PoolName {
        PoolName::new("api_pool").unwrap()
    }

    fn node() -> NodeId {
        NodeId::new("backend-api-2").unwrap()
    }

    #[test]
    fn lines_are_what_haproxy_reads() {
        let weight = Weight::new(256).unwrap();
        let lines: Vec<String> = [
            Command::show_info(),
            Command::show_backends(),
            Command::show_cli_level(),
            Command::show_servers_state(&pool()),
            Command::show_servers_conn(&pool()),
            Command::show_stat(&pool()),
            Command::show_stat_by_id(3),
            Command::show_table_of_bindings(&pool()),
            Command::set_state(&pool(), &node(), AdminState::Drain),
            Command::set_weight(&pool(), &node(), weight),
            Command::shutdown_sessions(&pool(), &node()),
        ]
        .iter()
        .map(|command| format!("{command} {}", command.changes()))
        .collect();
        assert_eq!(
            lines,
            [
                "show info false",
                "show backend false",
                "show cli level false",
                "show servers state api_pool false",
                "show servers conn api_pool false",
                "show stat api_pool -1 -1 false",
                "show stat 3 -1 -1 false",
                "show table api_pool data.server_id lt 0 false",
                "set server api_pool/backend-api-2 state drain true",
                "set server api_pool/backend-api-2 weight 256 true",
                "shutdown sessions server api_pool/backend-api-2 true",
            ]
        );
    }

    #[test]
    fn what_could_carry_a_second_command_is_refused() {
        for bad in [
            "",
            "a;b",
            "a\nb",
            "a\r",
            "a\0",
            "@1 show info",
            "#x",
            " a",
            "a ",
            "a <<",
            "a\\ b",
            "ä",
            "\u{7f}",
        ] {
            assert!(bad.parse::<Command>().is_err(), "{bad:?} was accepted");
        }
        assert_eq!("show table".parse::<Command>().unwrap().as_str(), "show table");
        assert_eq!(
            "show info;set".parse::<Command>().unwrap_err().to_string(),
            "\"show info;set\" is not one command of the runtime API: \
             it has ';', '\\' or '<<', which start another command or a payload"
        );
    }

    proptest! {
        #[test]
        fn a_command_is_always_one_line_and_one_command(text in "\\PC{0,40}|[ -~\\n]{0,40}") {
            if let Ok(command) = text.parse::<Command>() {
                prop_assert!(command.as_str().bytes().all(|b| (b' '..=b'~').contains(&b) && b != b';'));
            }
        }

        #[test]
        fn names_never_make_an_unsafe_command(pool in "\\PC{1,20}", node in "[a-zA-Z0-9._;\\n -]{1,20}") {
            if let (Ok(pool), Ok(node)) = (PoolName::new(&pool), NodeId::new(&node)) {
                let command = Command::set_state(&pool, &node, AdminState::Maint);
                prop_assert_eq!(command.as_str().parse::<Command>(), Ok(command.clone()));
            }
        }
    }
}
