//! Where shadow databases are made: a throw-away server, or one that was named.

use std::time::Duration;

use super::apply::Broken;
use super::error::ShadowError;
use crate::cluster::{Cluster, ClusterConfig};
use crate::live::{Connection, DatabaseUrl, Failure, Session, quote_identifier};

/// The most roles that are made because something names them.
const ROLES: usize = 50;

/// The first number of the advisory locks that a run's databases are held by ("cana").
const LOCKS: i32 = 0x6361_6e61;

/// Where shadow databases are made.
#[derive(Debug, Clone)]
pub enum ShadowServer {
    /// A throw-away server, started for the run.
    Local(ClusterConfig),
    /// A server that is there already. Its databases of the run are dropped at its end; those of a run that was killed are
    /// dropped by the next.
    Named(Box<NamedServer>),
}

/// A server that is there already.
#[derive(Debug, Clone)]
pub struct NamedServer {
    /// A database of it, to connect to; the role may make databases.
    pub url: DatabaseUrl,
    /// The databases that must not be on it.
    pub live: Vec<DatabaseUrl>,
}

impl Default for ShadowServer {
    fn default() -> Self {
        Self::Local(ClusterConfig::default())
    }
}

/// A server in use by one run.
#[derive(Debug)]
pub(super) struct Server {
    cluster: Option<Cluster>,
    url: DatabaseUrl,
    admin: Connection,
    prefix: String,
    limits: Limits,
}

/// What every connection of a run keeps to.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) statement: Duration,
    pub(super) lock: Duration,
    pub(super) search_path: Vec<String>,
}

impl Limits {
    fn session(&self, role: Option<&str>) -> Session {
        Session {
            read_only: false,
            statement_timeout: self.statement,
            lock_timeout: self.lock,
            idle_in_transaction: self.statement * 2,
            call_timeout: self.statement + Duration::from_secs(5),
            role: role.map(str::to_owned),
            search_path: self.search_path.clone(),
            application_name: "canary-shadow".to_owned(),
            ..Session::default()
        }
    }
}

impl Server {
    /// Starts it, or connects to it, and clears away what killed runs left.
    pub(super) async fn start(
        server: &ShadowServer,
        limits: Limits,
        notes: &mut Vec<String>,
    ) -> Result<Self, ShadowError> {
        let (cluster, url) = match server {
            ShadowServer::Local(config) => {
                let cluster = Cluster::start(config.clone()).await?;
                for left in cluster.leftovers() {
                    notes.push(match &left.failed {
                        None => format!("removed {}, which a killed run had left", left.directory.display()),
                        Some(why) => format!(
                            "{}, which a killed run left, is still there: {why}",
                            left.directory.display()
                        ),
                    });
                }
                let url = DatabaseUrl::parse(&cluster.url("postgres")).map_err(|error| {
                    Failure::of(
                        canary_core::traits::ErrorKind::Other,
                        "connect",
                        "the throw-away server",
                        error.to_string(),
                    )
                })?;
                (Some(cluster), url)
            }
            ShadowServer::Named(named) => {
                not_live(&named.url, &named.live).await?;
                (None, named.url.clone())
            }
        };
        let admin = Connection::open(&url, &limits.session(None)).await?;
        let mut server = Self { cluster, url, admin, prefix: String::new(), limits };
        if server.cluster.is_none() {
            server.clear(notes).await?;
        }
        server.claim().await?;
        Ok(server)
    }

    /// Where connections look names up from now on.
    pub(super) fn look_in(&mut self, search_path: &[String]) {
        search_path.clone_into(&mut self.limits.search_path);
    }

    /// Whether it goes with the run.
    pub(super) const fn throw_away(&self) -> bool {
        self.cluster.is_some()
    }

    /// Its version, as it says.
    pub(super) async fn version(&self) -> Result<String, ShadowError> {
        let rows =
            self.admin.query("ask for the version", "SELECT current_setting('server_version')", &[]).await?;
        Ok(rows.first().map_or_else(String::new, |row| row.get(0)))
    }

    /// Its major version.
    pub(super) async fn major(&self) -> Result<u32, ShadowError> {
        let text = "SELECT current_setting('server_version_num')::int / 10000";
        let rows = self.admin.query("ask for the version", text, &[]).await?;
        Ok(rows.first().and_then(|row| u32::try_from(row.get::<_, i32>(0)).ok()).unwrap_or_default())
    }

    /// Takes a name for the run's databases, and the lock that says that the run lives.
    async fn claim(&mut self) -> Result<(), ShadowError> {
        use std::hash::{BuildHasher as _, RandomState};
        for attempt in 0..16_u32 {
            let random = RandomState::new().hash_one((std::process::id(), attempt));
            let number = u32::try_from(random & 0xffff_ffff).unwrap_or(attempt);
            if self.lock(number).await? {
                self.prefix = format!("canary_shadow_{number:08x}");
                return Ok(());
            }
        }
        Err(ShadowError::Server(Failure::of(
            canary_core::traits::ErrorKind::Exhausted,
            "take a name for the shadow databases",
            self.admin.address(),
            "sixteen random names were in use",
        )))
    }

    async fn lock(&self, number: u32) -> Result<bool, ShadowError> {
        let key = i32::from_ne_bytes(number.to_ne_bytes());
        let text = "SELECT pg_catalog.pg_try_advisory_lock($1, $2)";
        let rows = self.admin.query("lock the shadow databases", text, &[&LOCKS, &key]).await?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// Drops the databases of runs whose lock nobody holds.
    async fn clear(&self, notes: &mut Vec<String>) -> Result<(), ShadowError> {
        let text = "SELECT datname::text FROM pg_catalog.pg_database
                     WHERE datname ~ '^canary_shadow_[0-9a-f]{8}_(base|work)$' ORDER BY 1";
        for row in self.admin.query("list what killed runs left", text, &[]).await? {
            let name: String = row.get(0);
            let number = name.get(14..22).and_then(|digits| u32::from_str_radix(digits, 16).ok());
            if let Some(number) = number
                && self.lock(number).await?
            {
                self.drop_database(&name).await?;
                let key = i32::from_ne_bytes(number.to_ne_bytes());
                let text = "SELECT pg_catalog.pg_advisory_unlock($1, $2)";
                self.admin.query("unlock the shadow databases", text, &[&LOCKS, &key]).await?;
                notes.push(format!("dropped the database {name}, which a killed run had left"));
            }
        }
        Ok(())
    }

    /// The full name of a database of this run.
    fn name(&self, kind: &str) -> String {
        format!("{}_{kind}", self.prefix)
    }

    /// Makes a database anew; empty, or as a copy of another one of the run.
    pub(super) async fn create(&self, kind: &str, template: Option<&str>) -> Result<(), ShadowError> {
        self.drop_database(&self.name(kind)).await?;
        // template0: nothing that was put into template1 by hand.
        let template = template.map_or_else(|| "template0".to_owned(), |kind| self.name(kind));
        let text = format!(
            "CREATE DATABASE {} TEMPLATE {}",
            quote_identifier(&self.name(kind)),
            quote_identifier(&template)
        );
        Ok(self.admin.batch("make a shadow database", &text).await?)
    }

    async fn drop_database(&self, name: &str) -> Result<(), ShadowError> {
        let text = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_identifier(name));
        Ok(self.admin.batch("drop a shadow database", &text).await?)
    }

    /// Connects to a database of the run.
    pub(super) async fn open(&self, kind: &str, role: Option<&str>) -> Result<Connection, ShadowError> {
        let url = self.url.with_database(&self.name(kind));
        Ok(Connection::open(&url, &self.limits.session(role)).await?)
    }

    /// Connects without a search path of its own, as a dump wants it.
    pub(super) async fn open_plain(&self, kind: &str) -> Result<Connection, ShadowError> {
        let url = self.url.with_database(&self.name(kind));
        let session = Session { search_path: vec!["pg_catalog".to_owned()], ..self.limits.session(None) };
        Ok(Connection::open(&url, &session).await?)
    }

    /// Makes a role that is taken to be there in production; on a throw-away server only.
    pub(super) async fn create_role(&self, role: &str) -> Result<(), ShadowError> {
        if !self.throw_away() {
            return Err(ShadowError::NoRole(role.to_owned()));
        }
        let text = format!("CREATE ROLE {} LOGIN", quote_identifier(role));
        match self.admin.batch("make a role", &text).await {
            Err(failure) if failure.sqlstate() != Some("42710") => Err(failure.into()),
            _ => Ok(()),
        }
    }

    /// Makes the role whose lack was the trouble, if it was and it is none of those that were `made` for that already.
    pub(super) async fn lacks(
        &self,
        broken: &Broken,
        made: &[String],
    ) -> Result<Option<String>, ShadowError> {
        let role =
            broken.message.strip_prefix("role \"").and_then(|rest| rest.strip_suffix("\" does not exist"));
        let Some(role) = role.filter(|_| self.throw_away() && broken.sqlstate.as_deref() == Some("42704"))
        else {
            return Ok(None);
        };
        if made.len() >= ROLES || made.iter().any(|known| known == role) {
            return Ok(None);
        }
        self.create_role(role).await?;
        Ok(Some(role.to_owned()))
    }

    /// Whether a role is there.
    pub(super) async fn has_role(&self, role: &str) -> Result<bool, ShadowError> {
        let text = "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = $1";
        Ok(!self.admin.query("look for a role", text, &[&role]).await?.is_empty())
    }

    /// Drops the roles that migrations made, so that they can make them again; on a throw-away server only.
    pub(super) async fn forget_roles(&self, keep: &[String]) -> Result<(), ShadowError> {
        if !self.throw_away() {
            return Ok(());
        }
        let text = "SELECT rolname::text FROM pg_catalog.pg_roles
                     WHERE rolname !~ '^pg_' AND rolname <> current_user AND NOT rolname = ANY ($1)";
        for row in self.admin.query("list the roles", text, &[&keep]).await? {
            let text = format!("DROP ROLE {}", quote_identifier(row.get(0)));
            // One that still owns something in the base stays; a migration that makes it then says so.
            let _kept = self.admin.batch("drop a role", &text).await;
        }
        Ok(())
    }

    /// Drops the run's databases, and the server if it is the run's own.
    pub(super) async fn end(self) -> Result<(), ShadowError> {
        if let Some(cluster) = self.cluster {
            drop(self.admin);
            return Ok(cluster.stop().await?);
        }
        self.drop_database(&self.name("work")).await?;
        self.drop_database(&self.name("base")).await
    }
}

/// Refuses a shadow server that is the live one: by its addresses, and by what it says of itself.
async fn not_live(url: &DatabaseUrl, live: &[DatabaseUrl]) -> Result<(), ShadowError> {
    let own = url.addresses();
    if live.iter().any(|live| live.addresses().iter().any(|address| own.contains(address))) {
        return Err(ShadowError::Live(url.to_string()));
    }
    // The same server by another name, or a replica of it.
    let shadow = identity(url).await?;
    for live in live {
        let told = identity(live).await;
        let live = told.map_err(|source| ShadowError::Unknown { live: live.to_string(), source })?;
        if live == shadow {
            return Err(ShadowError::Live(url.to_string()));
        }
    }
    Ok(())
}

/// What initdb gave the server.
async fn identity(url: &DatabaseUrl) -> Result<i64, Failure> {
    let connection = Connection::open(url, &Session::default()).await?;
    let text = "SELECT system_identifier FROM pg_catalog.pg_control_system()";
    let rows = connection.query("ask which server it is", text, &[]).await?;
    let told = rows.first().map(|row| row.get(0));
    told.ok_or_else(|| {
        let kind = canary_core::traits::ErrorKind::Protocol;
        Failure::of(kind, "ask which server it is", &url.to_string(), "it does not say")
    })
}
