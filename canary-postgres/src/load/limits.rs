//! The server's room for connections.

use crate::live::{Connection, Failure};

/// What a server and a database allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// `max_connections`.
    pub max: u64,
    /// Kept for superusers and for roles with the right to reserved ones.
    pub reserved: u64,
    /// The most for the database, when it has a limit.
    pub of_database: Option<u64>,
    /// The most for the role, when it has a limit.
    pub of_role: Option<u64>,
    /// Connections of clients at this moment, ours included.
    pub used: u64,
}

/// What a service takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// The most connections of one instance, all its pools together.
    pub pool: u64,
    /// Instances that serve.
    pub instances: u64,
    /// Instances of the release that run beside them for a while.
    pub canaries: u64,
    /// Connections left for people and for other services.
    pub reserve: u64,
}

impl Demand {
    /// The most connections at a time, canary and stable at once.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.pool.saturating_mul(self.instances.saturating_add(self.canaries))
    }
}

impl Limits {
    /// How many connections ordinary roles can have.
    #[must_use]
    pub fn room(&self) -> u64 {
        let general = self.max.saturating_sub(self.reserved);
        [self.of_database, self.of_role].into_iter().flatten().fold(general, u64::min)
    }

    /// How many more there can be now.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.room().saturating_sub(self.used)
    }

    /// Why the demand does not fit; `None` when it does.
    #[must_use]
    pub fn refuse(&self, demand: Demand) -> Option<String> {
        let (wanted, room) = (demand.total().saturating_add(demand.reserve), self.room());
        (wanted > room).then(|| {
            format!(
                "{} stable and {} canary instances with pools of {} and a reserve of {} are {wanted} connections; the server has {room} \
                 (max_connections {}, {} of them reserved)",
                demand.instances, demand.canaries, demand.pool, demand.reserve, self.max, self.reserved
            )
        })
    }
}

/// Reads the limits; `role` is the application's.
///
/// # Errors
/// As [`Connection::query`].
pub async fn read_limits(connection: &Connection, role: Option<&str>) -> Result<Limits, Failure> {
    let sql = "SELECT current_setting('max_connections')::bigint, \
               current_setting('superuser_reserved_connections')::bigint + coalesce(current_setting('reserved_connections', true), '0')::bigint, \
               (SELECT datconnlimit FROM pg_database WHERE datname = current_database())::bigint, \
               coalesce((SELECT rolconnlimit FROM pg_roles WHERE rolname = coalesce(nullif($1::text, ''), session_user::text)), -1)::bigint, \
               (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL \
                AND coalesce(backend_type, 'client backend') = 'client backend')";
    let rows = connection.query("read the server's limits", sql, &[&role.unwrap_or("")]).await?;
    let number = |i: usize| rows.first().map_or(0, |row| row.get::<_, i64>(i));
    let limit = |i: usize| u64::try_from(number(i)).ok();
    Ok(Limits {
        max: limit(0).unwrap_or(0),
        reserved: limit(1).unwrap_or(0),
        of_database: limit(2),
        of_role: limit(3),
        used: limit(4).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canary_and_stable_count_at_once() {
        let limits = Limits { max: 100, reserved: 3, of_database: None, of_role: None, used: 10 };
        let demand = Demand { pool: 30, instances: 2, canaries: 1, reserve: 7 };
        assert_eq!((limits.room(), limits.free(), demand.total(), limits.refuse(demand)), (97, 87, 90, None));
        let said = limits.refuse(Demand { reserve: 8, ..demand }).unwrap();
        assert!(said.contains("are 98 connections; the server has 97"), "{said}");
        assert_eq!(Limits { of_role: Some(5), ..limits }.room(), 5);
    }
}
