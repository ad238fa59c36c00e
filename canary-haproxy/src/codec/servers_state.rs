//! `show servers state`: admin and operational state as numbers.

use std::fmt;

use canary_core::traits::{AdminState, Operational};

use super::table::{Row, Table};
use super::{CodecError, excerpt};

/// The bits of `srv_admin_state` (management guide, "show servers state").
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AdminFlags(u32);

impl AdminFlags {
    /// Forced into maintenance at run time or by `disabled`.
    pub const FORCED_MAINT: u32 = 0x01;
    /// In maintenance because the server it tracks is.
    pub const INHERITED_MAINT: u32 = 0x02;
    /// Was in maintenance by configuration. A reminder only: it stays set after `state ready` has put the server
    /// back, so it says nothing on its own. A server that is still disabled has [`Self::FORCED_MAINT`] with it.
    pub const CONFIGURED_MAINT: u32 = 0x04;
    /// Forced to drain.
    pub const FORCED_DRAIN: u32 = 0x08;
    /// Drains because the server it tracks does.
    pub const INHERITED_DRAIN: u32 = 0x10;
    /// In maintenance because its name does not resolve.
    pub const RESOLUTION_MAINT: u32 = 0x20;
    /// Its host name was changed at run time. No state.
    pub const HOST_CHANGED: u32 = 0x40;

    const MAINT: u32 = Self::FORCED_MAINT | Self::INHERITED_MAINT | Self::RESOLUTION_MAINT;
    const DRAIN: u32 = Self::FORCED_DRAIN | Self::INHERITED_DRAIN;

    /// Wraps the number as HAProxy prints it.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// The number.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The state they amount to: maintenance wins over drain, drain over ready, whoever asked for it.
    #[must_use]
    pub const fn state(self) -> AdminState {
        if self.0 & Self::MAINT != 0 {
            AdminState::Maint
        } else if self.0 & Self::DRAIN != 0 {
            AdminState::Drain
        } else {
            AdminState::Ready
        }
    }
}

impl fmt::Debug for AdminFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AdminFlags({:#04x})", self.0)
    }
}

/// The bits of `srv_check_state` and `srv_agent_state`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CheckFlags(u32);

impl CheckFlags {
    /// The configuration has this check.
    pub const CONFIGURED: u32 = 0x02;
    /// It was not switched off at run time.
    pub const ENABLED: u32 = 0x04;
    /// It rests, as in maintenance.
    pub const PAUSED: u32 = 0x08;

    /// Wraps the number as HAProxy prints it.
    #[must_use]
    pub const fn new(bits: u32) -> Self {
        Self(bits)
    }

    /// Whether the check decides about the server: configured and enabled. A paused one does so again after
    /// maintenance.
    #[must_use]
    pub const fn active(self) -> bool {
        self.0 & Self::CONFIGURED != 0 && self.0 & Self::ENABLED != 0
    }
}

impl fmt::Debug for CheckFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CheckFlags({:#04x})", self.0)
    }
}

/// One server's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerRow {
    /// The pool's number.
    pub pool_id: u32,
    /// The pool's name.
    pub pool: String,
    /// The server's name.
    pub server: String,
    /// `address:port`; `None` when the address is not known or not an IP address.
    pub address: Option<String>,
    /// What the operator wants.
    pub admin: AdminFlags,
    /// What HAProxy finds.
    pub operational: Operational,
    /// The weight in force, not throttled.
    pub weight: u16,
    /// The configured weight.
    pub configured_weight: u16,
    /// The health check.
    pub check: CheckFlags,
    /// The agent check.
    pub agent: CheckFlags,
}

/// Reads the reply to `show servers state [POOL]`: the format's version, a header, a row a server.
///
/// # Errors
/// [`CodecError`] when the format's version is not 1, or anything is missing or out of range.
pub fn parse_servers_state(body: &str) -> Result<Vec<ServerRow>, CodecError> {
    let (version, rest) = body.split_once('\n').unwrap_or((body, ""));
    if version.trim_end() != "1" {
        let expected = "the format's version, 1";
        return Err(CodecError::Expected { expected, found: excerpt(version) });
    }
    Table::blanks(rest, "the header \"# be_id be_name …\"")?.rows().map(|row| server(&row)).collect()
}

fn server(row: &Row<'_>) -> Result<ServerRow, CodecError> {
    let op_state = row.text("srv_op_state")?;
    let operational = match op_state {
        "0" => Operational::Down,
        "1" => Operational::Starting,
        "2" => Operational::Up,
        "3" => Operational::Stopping,
        other => return Err(row.wrong("srv_op_state", other, "0, 1, 2 or 3")),
    };
    let (ip, port) = (row.text("srv_addr")?, row.number::<u16>("srv_port")?);
    let address = match ip {
        "-" => None,
        ip if ip.contains(':') => Some(format!("[{ip}]:{port}")),
        ip => Some(format!("{ip}:{port}")),
    };
    Ok(ServerRow {
        pool_id: row.number("be_id")?,
        pool: row.text("be_name")?.to_owned(),
        server: row.text("srv_name")?.to_owned(),
        address,
        admin: AdminFlags::new(row.number("srv_admin_state")?),
        operational,
        weight: row.number("srv_uweight")?,
        configured_weight: row.number("srv_iweight")?,
        check: CheckFlags::new(row.number("srv_check_state")?),
        agent: CheckFlags::new(row.number("srv_agent_state")?),
    })
}
