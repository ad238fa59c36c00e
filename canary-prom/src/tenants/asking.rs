//! Asks: the questions of a round, four at a time, and what follows from the first answers.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use canary_core::traits::{BackendError, ErrorKind, Retry};
use canary_tenants::gap::Found;
use canary_tenants::source::{Asked, SourceAsk, SourceProgress};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

use super::PrometheusTenants;
use super::assemble;
use super::questions::{Parts, Question};
use super::rows::{Reading, Rows};
use crate::client::meaning;

/// Above so many expected tenants, questions are asked by sets.
const GROUPED: usize = 5000;
/// How many tenants a set has.
const SET: usize = 500;
/// How many questions are open at once.
const AT_ONCE: usize = 4;
/// How often a question is asked again that a busy server did not answer.
const AGAIN: u32 = 2;
/// The longest wait before that.
const LONGEST_WAIT: Duration = Duration::from_secs(2);
/// How far back a tenant is looked for that is missing, in microseconds.
pub(super) const LATELY: u64 = 3_600_000_000;
/// What servers say without anything missing.
const HARMLESS: [&str; 1] = ["PromQL info:"];
/// Where questions go.
const PATH: &str = "/api/v1/query";

/// Why a round of questions ended early.
pub(super) enum Stop {
    /// The source does not answer.
    Down(String),
    /// The source cannot evaluate what the policy asks for.
    Refused(String),
}

/// One round of questions.
pub(super) struct Asking<'a> {
    source: &'a PrometheusTenants,
    ask: &'a SourceAsk,
    at: String,
    parts: Vec<(Arc<str>, Parts)>,
    rows: BTreeMap<Question, Rows>,
    /// What was asked and answered, also when the round is given up.
    asked: Mutex<Vec<Asked>>,
    progress: &'a dyn SourceProgress,
}

/// One question to a set of tenants, by its labels; `None` for all.
type Item = (Question, Option<Arc<[String]>>);

impl<'a> Asking<'a> {
    pub(super) fn new(
        source: &'a PrometheusTenants,
        ask: &'a SourceAsk,
        progress: &'a dyn SourceProgress,
    ) -> Self {
        let at = ask.at.as_seconds_text();
        let asked = Mutex::new(Vec::new());
        Self { source, ask, at, parts: Vec::new(), rows: BTreeMap::new(), asked, progress }
    }

    /// Asks everything.
    pub(super) async fn all(&mut self) -> Result<(), Stop> {
        for measure in &self.ask.objectives {
            let parts = Parts::of(measure, self.ask.version.as_deref()).map_err(Stop::Refused)?;
            self.parts.extend(parts.map(|parts| (measure.name.clone(), parts)));
        }
        let questions: BTreeSet<Question> =
            self.parts.iter().flat_map(|(_, parts)| parts.questions()).collect();
        let sets = if self.ask.tenants.len() > GROUPED { self.sets(&self.ask.tenants) } else { Vec::new() };
        let mut items = Vec::new();
        for question in &questions {
            if sets.is_empty() || question.names() {
                items.push((question.clone(), None));
            } else {
                items.extend(sets.iter().map(|set| (question.clone(), Some(set.clone()))));
            }
        }
        self.round(items).await?;
        if !sets.is_empty() {
            self.strangers(&questions).await?;
        }
        self.missing().await
    }

    /// Tenants that the policy does not list, where the questions were for those that it does.
    async fn strangers(&mut self, questions: &BTreeSet<Question>) -> Result<(), Stop> {
        let known: HashSet<&String> = self.ask.tenants.iter().collect();
        let named = self.rows.iter().filter(|(question, _)| question.names());
        let strangers: BTreeSet<String> = named
            .flat_map(|(_, rows)| rows.values.keys())
            .filter(|name| !known.contains(name))
            .cloned()
            .collect();
        let strangers: Vec<String> = strangers.into_iter().collect();
        let mut items = Vec::new();
        for set in self.sets(&strangers) {
            let others = questions.iter().filter(|question| !question.names());
            items.extend(others.map(|question| (question.clone(), Some(set.clone()))));
        }
        self.round(items).await
    }

    /// What there is of whom nothing, or not everything, is in the window.
    async fn missing(&mut self) -> Result<(), Stop> {
        let mut items: BTreeMap<Question, BTreeSet<String>> = BTreeMap::new();
        for (_, parts) in &self.parts {
            let expected = self.expected(parts.window);
            let samples = self.rows.get(&parts.samples());
            let of = |name: &str| samples.and_then(|rows| rows.values.get(name)?.amount());
            let base = parts.base.to_string();
            let gone = self.ask.tenants.iter().filter(|name| of(name).is_none() && parts.window < LATELY);
            let lately = Question::Samples(base.clone(), LATELY);
            items.entry(lately).or_default().extend(gone.cloned());
            let names = samples.into_iter().flat_map(|rows| rows.values.keys());
            let few = names.filter(|name| of(name).unwrap_or(0) < expected);
            items.entry(Question::Before(base, parts.window)).or_default().extend(few.cloned());
        }
        let mut all = Vec::new();
        for (question, tenants) in items.into_iter().filter(|(question, _)| !self.rows.contains_key(question))
        {
            let tenants: Vec<String> = tenants.into_iter().collect();
            all.extend(self.sets(&tenants).into_iter().map(|set| (question.clone(), Some(set))));
        }
        self.round(all).await
    }

    /// How many samples there are in a whole window.
    pub(super) fn expected(&self, window: u64) -> u64 {
        (window / self.source.scrape.max(1)).max(1)
    }

    /// Tenants in sets, as the source's label names them.
    fn sets(&self, tenants: &[String]) -> Vec<Arc<[String]>> {
        let mut labels: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (label, tenant) in &self.source.map {
            labels.entry(tenant).or_default().push(label);
        }
        let named = |tenant: &String| {
            let mut all: Vec<String> =
                labels.get(tenant.as_str()).into_iter().flatten().map(|label| (*label).to_owned()).collect();
            if !self.source.map.contains_key(tenant) {
                all.push(tenant.clone());
            }
            all
        };
        tenants.chunks(SET).map(|set| set.iter().flat_map(named).collect()).collect()
    }

    async fn round(&mut self, items: Vec<Item>) -> Result<(), Stop> {
        let this = &*self;
        let answers: Vec<(Question, Rows)> = stream::iter(items)
            .map(|(question, set)| this.question(question, set))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        for (question, more) in answers {
            let rows = self.rows.entry(question).or_default();
            rows.twice.extend(more.values.keys().filter(|name| rows.values.contains_key(*name)).cloned());
            rows.values.extend(more.values);
            rows.buckets.extend(more.buckets);
            rows.twice.extend(more.twice);
        }
        Ok(())
    }

    /// One question, asked again where that can help.
    async fn question(
        &self,
        question: Question,
        set: Option<Arc<[String]>>,
    ) -> Result<(Question, Rows), Stop> {
        let named: Option<Vec<&str>> = set.as_ref().map(|set| set.iter().map(String::as_str).collect());
        let text = question.promql(&self.source.label, named.as_deref());
        let mut tries = 0;
        loop {
            let error = match self.once(&text, &question).await {
                Ok(rows) => return Ok((question, rows)),
                Err(error) => error,
            };
            match error.retry() {
                Retry::Transient { after } if tries < AGAIN => {
                    tries += 1;
                    tokio::time::sleep(after.min(LONGEST_WAIT)).await;
                }
                _ if error.kind() == ErrorKind::Refused => return Err(Stop::Refused(error.chain())),
                _ => return Err(Stop::Down(error.chain())),
            }
        }
    }

    async fn once(&self, text: &str, question: &Question) -> Result<Rows, BackendError> {
        let began = Instant::now();
        let operation = "query";
        let mut form = vec![("query", text), ("time", self.at.as_str())];
        form.extend(self.source.form.iter().copied());
        let sent = self.source.client.post(operation, PATH, &form).await;
        let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut asked = Asked { text: text.to_owned(), ms, ..Asked::default() };
        let reply = match sent {
            Ok(reply) => reply,
            Err(error) => {
                asked.reply = error.chain();
                self.keep(asked);
                return Err(error);
            }
        };
        asked.status = reply.status.as_u16();
        let mut rows = Rows::default();
        let reading = Reading {
            label: &self.source.label,
            map: &self.source.map,
            places: question.places(),
            buckets: matches!(question, Question::Buckets(..)),
        };
        let read = meaning(&reply, operation).and_then(|()| {
            let body = std::str::from_utf8(&reply.body).map_err(|error| error.to_string());
            let read = body.and_then(|body| rows.take(body, &reading));
            read.map_err(|why| {
                reply.error(ErrorKind::Protocol, operation, why).transient(Duration::from_secs(1))
            })
        });
        asked.reply = String::from_utf8(reply.body)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        // It is kept until the record is written, and grew by doubling while it was read.
        asked.reply.shrink_to_fit();
        if let Ok(told) = &read {
            asked.rows = told.rows;
            asked.warnings.clone_from(&told.warnings);
        }
        self.keep(asked);
        read.map(|_| rows)
    }

    fn keep(&self, asked: Asked) {
        self.progress.asked(&asked);
        // A lock that a panic left is as good as any: what is pushed is whole.
        self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(asked);
    }

    /// Every question with its answer, in the order of their texts: that of their arrival is chance.
    pub(super) fn told(&self) -> Vec<Asked> {
        let mut all =
            std::mem::take(&mut *self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        all.sort_by(|a, b| a.text.cmp(&b.text));
        all
    }

    /// Why the answers may not be whole.
    pub(super) fn partial(&self, asked: &[Asked]) -> Option<String> {
        let harmless = |warning: &&String| !HARMLESS.iter().any(|start| warning.starts_with(start));
        let warning = asked.iter().flat_map(|asked| &asked.warnings).find(harmless)?;
        Some(format!("it warns: {}", canary_http::excerpt(warning.as_bytes())))
    }

    /// What was found of each tenant.
    pub(super) fn found(&self) -> BTreeMap<String, BTreeMap<Arc<str>, Found>> {
        let mut all: BTreeMap<String, BTreeMap<Arc<str>, Found>> = BTreeMap::new();
        for (name, parts) in &self.parts {
            let one = assemble::of(&self.rows, parts, self.expected(parts.window), self.ask.at);
            for (tenant, found) in one {
                all.entry(tenant).or_default().insert(name.clone(), found);
            }
        }
        all
    }
}
