//! Measures all tenants of a Datadog by a few queries, each grouped by the tag that names tenants.

mod form;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use canary_http::ConfigError;
use canary_tenants::gap::{Found, GapCode, Measured};
use canary_tenants::policy::{DatadogForm, ObjectiveKind, PolicyFile, Source};
use canary_tenants::source::{Measure, SourceAsk, SourceProgress, SourceReply, TenantSource};
use serde_json::Value;

use crate::client::{Client, Trouble};
use crate::keys::Keys;
use crate::query::{self, Query, Timeseries};
use crate::site::Site;
use form::Form;

/// How far back a tenant is looked for, in milliseconds.
const LATELY: u64 = 3_600_000;
/// What Datadog calls the group of series without the tag.
const UNTAGGED: [&str; 2] = ["N/A", ""];

/// One source of a policy that is a Datadog.
///
/// A round asks twice a window, whatever the number of tenants: for the numbers (scalar) and for which intervals have points
/// (timeseries, back to an hour). A null is no data; an interval that the server enlarged counts as it is. Datadog keeps tags in
/// small letters: a tenant that is written otherwise in the policy needs `label_map`.
#[derive(Debug)]
pub struct DatadogTenants {
    name: String,
    site: Site,
    client: Client,
    tag: String,
    map: BTreeMap<String, String>,
    /// The interval of points, in milliseconds.
    interval: u64,
    forms: BTreeMap<String, DatadogForm>,
}

impl DatadogTenants {
    /// Checks the settings of a policy's source; connects to nothing.
    ///
    /// # Errors
    /// [`ConfigError`] when its client cannot be made.
    pub fn new(file: &PolicyFile, source: &Source, site: Site, keys: Keys) -> Result<Self, ConfigError> {
        let mut forms = BTreeMap::new();
        for (name, objective) in &file.objectives {
            let named = match &objective.kind {
                ObjectiveKind::Budget { of, .. } => file.objectives.get(of).unwrap_or(objective),
                _ => objective,
            };
            forms.extend(named.datadog.clone().map(|form| (name.clone(), form)));
        }
        Ok(Self {
            name: source.name.clone(),
            client: Client::new(&site, keys, Duration::from_micros(source.timeout))?,
            site,
            tag: source.tenant_label.clone().unwrap_or_else(|| file.tenant_label.clone()),
            map: source.label_map.clone(),
            interval: (source.scrape / 1000).max(1000),
            forms,
        })
    }

    /// What is asked for a measure.
    fn form(&self, measure: &Measure, version: Option<&str>) -> Result<Form, String> {
        // A budget's second window is named after it.
        let name = measure.name.split('@').next().unwrap_or_default();
        let form =
            self.forms.get(name).ok_or_else(|| format!("objective {name} has no form for a Datadog"))?;
        Form::of(form, &measure.kind, &self.tag, version).map_err(|why| format!("objective {name}: {why}"))
    }

    /// Asks for all measures of one window.
    async fn window(
        &self,
        window: u64,
        measures: &[(Arc<str>, Form)],
        ask: &SourceAsk,
        until: Instant,
        reply: &mut SourceReply,
    ) -> Result<(), Trouble> {
        let (ms, to) = (window / 1000, ask.at.as_millis());
        let from = to.saturating_sub(ms);
        let numbers: Vec<Query> = measures.iter().flat_map(|(_, form)| form.numbers.clone()).collect();
        let body = query::scalar(&numbers, from, to);
        let answer = self.client.ask("/api/v2/query/scalar", &body, until, &mut reply.queries).await?;
        let rows = query::rows(&answer, numbers.len()).map_err(Trouble::Down)?;
        self.doubts(&answer, rows.len(), reply);
        let points: Vec<Query> = measures.iter().map(|(_, form)| form.points.clone()).collect();
        let back = to.saturating_sub(LATELY.max(2 * ms));
        let body = query::timeseries(&points, back, to, self.interval);
        let answer = self.client.ask("/api/v2/query/timeseries", &body, until, &mut reply.queries).await?;
        let series = query::series(&answer, &self.tag, self.interval).map_err(Trouble::Down)?;
        self.doubts(&answer, series.points.len(), reply);
        let mut first = 0;
        for (at, (name, form)) in measures.iter().enumerate() {
            let cells = first..first + form.numbers.len();
            first = cells.end;
            let mut numbers: BTreeMap<String, Vec<&[Option<f64>]>> = BTreeMap::new();
            for (group, values) in &rows {
                numbers.entry(self.tenant(group)).or_default().push(&values[cells.clone()]);
            }
            let seen = Seen { series: &series, query: at, from, to, source: self };
            let mut tenants: BTreeSet<String> = seen.tenants().collect();
            tenants.extend(
                numbers
                    .iter()
                    .filter(|(_, rows)| rows.iter().any(|row| has(row)))
                    .map(|(name, _)| name.clone()),
            );
            for tenant in tenants.into_iter().filter(|tenant| !UNTAGGED.contains(&tenant.as_str())) {
                let its = numbers.get(&tenant).map(Vec::as_slice).unwrap_or_default();
                let found = seen.found(&tenant, its, form);
                reply.found.entry(tenant).or_default().insert(Arc::clone(name), found);
            }
        }
        Ok(())
    }

    /// What the answer doubts of itself.
    fn doubts(&self, answer: &Value, rows: usize, reply: &mut SourceReply) {
        let Some(asked) = reply.queries.last_mut() else { return };
        asked.rows = rows as u64;
        asked.warnings = query::doubts(answer);
        if let Some(warning) = asked.warnings.first() {
            let why = format!("it says beside its data: {}", canary_http::excerpt(warning.as_bytes()));
            reply.trouble.get_or_insert((GapCode::Partial, why));
        }
    }

    fn tenant(&self, group: &str) -> String {
        self.map.get(group).cloned().unwrap_or_else(|| group.to_owned())
    }

    async fn all(&self, ask: &SourceAsk, until: Instant, reply: &mut SourceReply) -> Result<(), Trouble> {
        let mut windows: BTreeMap<u64, Vec<(Arc<str>, Form)>> = BTreeMap::new();
        for measure in ask.objectives.iter().filter(|m| !matches!(m.kind, ObjectiveKind::Probe(_))) {
            let form = self.form(measure, ask.version.as_deref()).map_err(Trouble::Refused)?;
            windows.entry(measure.window).or_default().push((Arc::clone(&measure.name), form));
        }
        for (window, measures) in &windows {
            self.window(*window, measures, ask, until, reply).await?;
        }
        Ok(())
    }
}

/// Whether a row has any number.
fn has(row: &[Option<f64>]) -> bool {
    row.iter().any(Option::is_some)
}

/// Which intervals of one query have points.
struct Seen<'a> {
    series: &'a Timeseries,
    query: usize,
    from: u64,
    to: u64,
    source: &'a DatadogTenants,
}

impl Seen<'_> {
    fn tenants(&self) -> impl Iterator<Item = String> {
        let its = self.series.points.iter().filter(|points| points.query == self.query);
        its.filter(|points| points.there.contains(&true)).map(|points| self.source.tenant(&points.group))
    }

    fn found(&self, tenant: &str, rows: &[&[Option<f64>]], form: &Form) -> Found {
        let series = self.series.points.iter().filter(|points| points.query == self.query);
        let its: Vec<_> = series.filter(|points| self.source.tenant(&points.group) == tenant).collect();
        let interval = self.series.interval;
        // An interval counts where it ends within the window: that which began before has a part of its points there.
        let inside = |start: u64| start + interval > self.from && start < self.to;
        let expected = ((self.to - self.from) / interval).max(1);
        let mut samples = 0;
        let (mut newest, mut before) = (None, false);
        for (at, start) in self.series.times.iter().copied().enumerate() {
            if !its.iter().any(|points| points.there.get(at) == Some(&true)) {
                continue;
            }
            newest = newest.max(Some(start));
            samples += u64::from(inside(start));
            before |= !inside(start);
        }
        // The points of an interval lie anywhere in it: the newest is at most as old as its end says, and never of the future.
        let age = newest.map(|start| self.to.saturating_sub(start + interval) * 1000);
        let age = age.filter(|_| samples > 0);
        let twice = rows.len() > 1 || its.len() > 1;
        Found {
            trouble: twice.then_some(GapCode::Duplicate),
            samples: (samples > 0).then_some(samples.min(expected)),
            expected,
            age,
            before: before || samples >= expected,
            lately: newest.is_some(),
            measured: match rows.first() {
                Some(row) if samples > 0 => form.measured(row),
                _ => Measured::Nothing,
            },
        }
    }
}

#[async_trait]
impl TenantSource for DatadogTenants {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self, ask: &SourceAsk, progress: &dyn SourceProgress) -> SourceReply {
        let began = Instant::now();
        let until = began + ask.limit;
        let mut reply = SourceReply::default();
        match self.all(ask, until, &mut reply).await {
            Ok(()) => {}
            Err(Trouble::Refused(why)) => (reply.refused, reply.found) = (Some(why), BTreeMap::new()),
            Err(Trouble::Down(why) | Trouble::Unauthorised(why)) => {
                reply.trouble = Some((GapCode::SourceDown, why));
                reply.found = BTreeMap::new();
            }
        }
        // Two requests a window, whatever the number of tenants: they are told of together.
        reply.queries.iter().for_each(|asked| progress.asked(asked));
        reply.ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        reply
    }
}

impl fmt::Display for DatadogTenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (Datadog at {})", self.name, self.site)
    }
}
