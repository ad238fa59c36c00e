//! One shadow run after another, on one server.

use canary_core::traits::Severity;

use super::apply::{Broken, Runner, Stop};
use super::base::{self, BASE, BaseSchema, NoBase};
use super::breakage::{Breakage, Level};
use super::compare::{Sight, compare};
use super::error::ShadowError;
use super::facts;
use super::locks::relations;
use super::probe::{Prepared, Probed};
use super::report::{ShadowReport, Way};
use super::server::{Limits, Server};
use super::{Shadow, ShadowAsk};
use crate::contract::{Contract, Query, QueryHash};

/// The database that the migrations run in.
const WORK: &str = "work";

/// The most files after each of which everything is looked at, so that what breaks can be told to be theirs.
const WATCHED_FILES: usize = 20;

/// One report a base.
pub(super) async fn examine(shadow: &Shadow, ask: ShadowAsk<'_>) -> Result<Vec<ShadowReport>, ShadowError> {
    let limits = Limits {
        statement: shadow.statement_timeout,
        lock: shadow.lock_timeout,
        search_path: shadow.search_path.clone(),
    };
    let mut notes = Vec::new();
    let mut server = Server::start(&shadow.server, limits, &mut notes).await?;
    let reports = each(shadow, &mut server, ask, notes).await;
    let ended = server.end().await;
    let reports = reports?;
    ended?;
    Ok(reports)
}

async fn each(
    shadow: &Shadow,
    server: &mut Server,
    ask: ShadowAsk<'_>,
    notes: Vec<String>,
) -> Result<Vec<ShadowReport>, ShadowError> {
    let kind = if server.throw_away() { "throw-away" } else { "named" };
    let version = server.version().await?;
    let mut roles = Vec::new();
    if let Some(role) = &shadow.role {
        if !server.has_role(role).await? {
            server.create_role(role).await?;
        }
        roles.push(role.clone());
    }
    let mut reports = Vec::new();
    for base in ask.bases {
        let dump = base.dump();
        server.look_in(match dump {
            Some(dump) if !dump.search_path.is_empty() => &dump.search_path,
            _ => &shadow.search_path,
        });
        let report = ShadowReport {
            tenant_schema: dump.and_then(|dump| dump.tenant_schema.clone()),
            shards: dump.map(|dump| dump.shards.clone()).unwrap_or_default(),
            server: format!("PostgreSQL {version}, {kind}"),
            base: base.shown(),
            role: shadow.role.clone(),
            queries: ask.running.map(|contract| contract.queries.len()),
            complete: ask.running.is_some_and(|contract| contract.coverage.complete()),
            notes: notes.clone(),
            ..ShadowReport::default()
        };
        let mut run = Run { shadow, server, ask, roles: roles.clone(), known_broken: Vec::new(), report };
        run.go(base).await?;
        reports.push(run.report);
    }
    Ok(reports)
}

/// The run from one base.
struct Run<'a> {
    shadow: &'a Shadow,
    server: &'a Server,
    ask: ShadowAsk<'a>,
    /// Roles that are taken to be there.
    roles: Vec<String>,
    /// Queries of the running binary that did not work before anything was changed, either: a doubt, and no news.
    known_broken: Vec<QueryHash>,
    report: ShadowReport,
}

impl Run<'_> {
    async fn go(&mut self, base: &BaseSchema) -> Result<(), ShadowError> {
        loop {
            self.server.forget_roles(&self.roles).await?;
            match base::make(self.server, base).await {
                Ok(()) => break,
                Err(NoBase::Error(error)) => return Err(error),
                Err(NoBase::Broken(broken)) => {
                    if !self.granted(&broken).await? {
                        self.doubt(&broken, "the schema that is running cannot be made here");
                        return Ok(());
                    }
                    self.server.create(BASE, None).await?;
                }
            }
        }
        loop {
            self.server.create(WORK, Some(BASE)).await?;
            self.report.traces.clear();
            self.report.breakages.clear();
            let Some(broken) = self.migrate().await? else { return Ok(()) };
            if self.granted(&broken).await? {
                continue;
            }
            if broken.lacks_extension {
                self.doubt(&broken, "the shadow server lacks an extension");
            } else if broken.sqlstate.is_none() {
                self.doubt(&broken, "it is not tried");
            } else if base.dump().is_some() && broken.finds_itself() {
                self.doubt(&broken, "the live schema has it already: the migration may have run there");
            } else {
                self.report.breakages.push(failed(&broken));
            }
            return Ok(());
        }
    }

    fn doubt(&mut self, broken: &Broken, what: &str) {
        let place =
            if broken.line == 0 { broken.file.clone() } else { format!("{}:{}", broken.file, broken.line) };
        let code = broken.sqlstate.as_ref().map_or_else(String::new, |code| format!(" ({code})"));
        self.report
            .doubts
            .push(format!("{what}: {place}: {}{code}; in: {}", broken.message, broken.statement));
    }

    /// Makes the role whose lack was the trouble, if it was: roles are the server's, and migrations seldom make them.
    async fn granted(&mut self, broken: &Broken) -> Result<bool, ShadowError> {
        let Some(role) = self.server.lacks(broken, &self.roles).await? else { return Ok(false) };
        self.report.notes.push(format!("the role {role} is taken to be there: {} names it", broken.file));
        self.roles.push(role);
        Ok(true)
    }

    /// Prepares, migrates, looks. Gives what the server refused of the migrations, if it did.
    async fn migrate(&mut self) -> Result<Option<Broken>, ShadowError> {
        let role = self.shadow.role.as_deref();
        let old = match self.ask.running {
            Some(contract) => {
                let connection = self.server.open(WORK, role).await?;
                let (prepared, queries) = Prepared::on(connection, &contract.queries).await?;
                self.judged(contract, &queries);
                let tables = facts::tables(&self.server.open(WORK, None).await?).await?;
                Some((contract, prepared, Sight { queries, tables }))
            }
            None => None,
        };
        if let Some(candidate) = self.ask.candidate {
            let because = self.unusable(candidate).await?;
            self.report.starts_on_old = Some(Way::of(because));
        }
        let connection = self.server.open(WORK, None).await?;
        let watched = relations(&connection).await?;
        let runner = Runner { connection: &connection, relations: &watched, database: (self.server, WORK) };
        let files = self.ask.migrations.len();
        for (index, migration) in self.ask.migrations.iter().enumerate() {
            match runner.run(migration).await {
                Ok(traces) => self.report.traces.extend(traces),
                Err(Stop::Broken(broken)) => return Ok(Some(broken)),
                Err(Stop::Lost(error)) => return Err(error),
            }
            if let Some((contract, prepared, before)) = &old
                && (files <= WATCHED_FILES || index + 1 == files)
            {
                let connection = self.server.open(WORK, role).await?;
                let (_, queries) = Prepared::on(connection, &contract.queries).await?;
                let tables = facts::tables(&self.server.open(WORK, None).await?).await?;
                let held = prepared.again().await?;
                let found = compare(contract, before, &Sight { queries, tables }, &held);
                self.replace(found, (files <= WATCHED_FILES).then_some(migration.file.as_str()));
            }
        }
        if old.is_some() {
            let lasting = self.report.breakages.iter().filter(|breakage| breakage.outlives_connections());
            self.report.way_back = Some(Way::of(lasting.cloned().collect()));
        }
        if let Some(candidate) = self.ask.candidate {
            for mut breakage in self.unusable(candidate).await? {
                "new-binary-fails".clone_into(&mut breakage.rule);
                breakage.what =
                    format!("the new binary's query fails on the schema it comes with: {}", breakage.what);
                self.report.breakages.push(breakage);
            }
        }
        Ok(None)
    }

    /// Takes what is found now; what was there after an earlier file keeps its place.
    fn replace(&mut self, found: Vec<Breakage>, file: Option<&str>) {
        let before = std::mem::take(&mut self.report.breakages);
        for mut breakage in found {
            let known = before.iter().find(|known| known.same_as(&breakage));
            breakage.place = match known {
                Some(known) => known.place.clone(),
                None => file.map(|file| (file.to_owned(), 0)),
            };
            self.report.breakages.push(breakage);
        }
    }

    /// Counts the queries that worked before anything was changed.
    fn judged(&mut self, contract: &Contract, queries: &[Probed]) {
        let refused: Vec<(&Query, &super::probe::Refusal)> = contract
            .queries
            .iter()
            .zip(queries)
            .filter_map(|(query, probed)| Some((query, refusal(probed)?)))
            .collect();
        self.report.judged = contract.queries.len() - refused.len();
        self.known_broken = refused.iter().map(|(query, _)| query.hash.clone()).collect();
        self.report.doubts.clear();
        if let Some((query, refusal)) = refused.first() {
            let count = refused.len();
            let hint = match &self.shadow.role {
                Some(role) if refusal.sqlstate == "42501" => {
                    format!(
                        "; what {role} may do is granted outside of the migrations: start from a live schema, or name no role"
                    )
                }
                _ => String::new(),
            };
            self.report.doubts.push(format!(
                "{count} of {} queries do not work on the schema that is running, so nothing can be said of them; the first: {}: {} ({}){hint}",
                contract.queries.len(),
                query.place(),
                refusal.message,
                refusal.sqlstate
            ));
        }
    }

    /// What of a contract cannot be used on the schema as it is.
    async fn unusable(&self, contract: &Contract) -> Result<Vec<Breakage>, ShadowError> {
        let connection = self.server.open(WORK, self.shadow.role.as_deref()).await?;
        let (_, probed) = Prepared::on(connection, &contract.queries).await?;
        let mut found = super::breakage::Found::default();
        let news = contract
            .queries
            .iter()
            .zip(&probed)
            .filter(|(query, _)| !self.known_broken.contains(&query.hash));
        for (query, probed) in news {
            let level = if probed.described.is_err() { Level::Prepare } else { Level::Explain };
            if let Some(refusal) = refusal(probed) {
                let breakage = Breakage::new("query-fails", level, Some(&refusal.sqlstate), &refusal.message);
                found.push(&query.place(), breakage);
            }
        }
        Ok(found.into_vec())
    }
}

fn refusal(probed: &Probed) -> Option<&super::probe::Refusal> {
    match (&probed.described, &probed.explained) {
        (Err(refusal), _) | (_, Some(Err(refusal))) => Some(refusal),
        _ => None,
    }
}

/// The migration itself fails.
fn failed(broken: &Broken) -> Breakage {
    let what = format!("the migration fails: {}; in: {}", broken.message, broken.statement);
    Breakage {
        place: Some((broken.file.clone(), broken.line)),
        severity: Severity::Refuse,
        ..Breakage::new("migration-fails", Level::Apply, broken.sqlstate.as_deref(), what)
    }
}
