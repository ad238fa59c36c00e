//! One round over all tenants: every source of a policy asked at once, each within the deadline.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use canary_core::time::Timestamp;
use canary_datadog::{DatadogTenants, Keys, Site};
use canary_prom::PrometheusTenants;
use canary_tenants::evidence::{Before, Evidence};
use canary_tenants::policy::{KeysFrom, Policy, PolicyFile, Source, SourceKind};
use canary_tenants::probe::ProbeProgress;
use canary_tenants::source::{SourceProgress, SourceReply, TenantSource};
use tokio::task::JoinSet;

use crate::environment::Variables;
use crate::error::{CommandError, chain};
use crate::probes::Probes;

/// The largest token that is read.
const LONGEST_TOKEN: u64 = 64 * 1024;
/// What a source may take beyond the deadline that it was given, before it is given up from outside.
const GRACE: Duration = Duration::from_secs(2);

/// Hears how far a round is.
pub(crate) trait RoundListener: ProbeProgress + SourceProgress {
    /// It begins, with so many sources and probes.
    fn begun(&self, sources: usize, probes: usize) {
        let _ = (sources, probes);
    }

    /// A source has answered everything, or will not.
    fn answered(&self, reply: &SourceReply) {
        let _ = reply;
    }
}

/// Nobody listens.
impl RoundListener for () {}

/// What a round is about.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    /// The one instant of evaluation.
    pub(crate) at: Timestamp,
    /// The release.
    pub(crate) version: Option<String>,
    /// How much of the traffic it has.
    pub(crate) percentage: Option<u64>,
    /// What the round before left.
    pub(crate) before: Before,
    /// How long the sources may take, all at once.
    pub(crate) limit: Duration,
}

/// The sources of a policy, set up; nothing is connected to. Tokens lie in `directory`, which is the policy's.
///
/// # Errors
/// A source that cannot be used, with its place in the policy.
pub(crate) fn sources(
    file: &PolicyFile,
    directory: &Path,
    variables: &Variables,
) -> Result<Vec<Arc<dyn TenantSource>>, CommandError> {
    file.sources.iter().map(|source| one(file, source, directory, variables)).collect()
}

fn one(
    file: &PolicyFile,
    source: &Source,
    directory: &Path,
    variables: &Variables,
) -> Result<Arc<dyn TenantSource>, CommandError> {
    let place = format!("{}:{}", file.file, source.at);
    if let SourceKind::Datadog { keys } = &source.kind {
        return datadog(file, source, keys, directory, variables);
    }
    let token = match &source.bearer_token_file {
        Some(name) => Some(token(&directory.join(name)).map_err(|why| {
            let message = format!("{place}: bearer_token_file of source {}: {why}", source.name);
            CommandError::usage(message, "name a file beside the policy that this user may read")
        })?),
        None => None,
    };
    let made = PrometheusTenants::new(source, &file.tenant_label, token.as_deref());
    let made = made.map_err(|error| {
        let message = format!("{place}: source {}: {}", source.name, chain(&error));
        CommandError::usage(message, "mend the source")
    })?;
    Ok(Arc::new(made))
}

/// A Datadog, with the keys that the policy says where to find.
fn datadog(
    file: &PolicyFile,
    source: &Source,
    from: &KeysFrom,
    directory: &Path,
    variables: &Variables,
) -> Result<Arc<dyn TenantSource>, CommandError> {
    let told = |why: String, remedy: &str| {
        let message = format!("{}:{}: source {}: {why}", file.file, source.at, source.name);
        CommandError::usage(message, remedy)
    };
    let keys = match from {
        KeysFrom::Env { api, app } => {
            let key = |name: &String| {
                let unset = || told(format!("the variable {name} is not set"), "set it to the account's key");
                variables.text(name).ok_or_else(unset)
            };
            Keys::new(key(api)?, Some(key(app)?))
        }
        KeysFrom::File(name) => {
            let text = token(&directory.join(name));
            Keys::parse(
                &text.map_err(|why| told(why, "name a file beside the policy that this user may read"))?,
            )
        }
    };
    let keys = keys.map_err(|error| told(error.to_string(), "write the account's keys"))?;
    if !keys.can_query() {
        return Err(told("there is no application key".to_owned(), "add a line DD_APP_KEY=… to the file"));
    }
    let site =
        Site::parse(&source.url).map_err(|error| told(error.to_string(), "write the account's site"))?;
    let made = DatadogTenants::new(file, source, site, keys);
    Ok(Arc::new(made.map_err(|error| told(chain(&error), "mend the source"))?))
}

fn token(path: &Path) -> Result<String, String> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(LONGEST_TOKEN).read_to_string(&mut text).map_err(failed)?;
    match text.trim() {
        "" => Err(format!("{} is empty", path.display())),
        token => Ok(token.to_owned()),
    }
}

/// Asks every source and every tenant's own endpoint at once; a source that does not answer in time, or breaks, is down.
pub(crate) async fn measured(
    policy: &Policy,
    sources: &[Arc<dyn TenantSource>],
    probes: &Probes,
    question: &Question,
    listener: Arc<dyn RoundListener>,
) -> Evidence {
    let mut probing = probes.round(policy, &question.at.to_string());
    probing.deadline = probing.deadline.min(question.limit);
    listener.begun(sources.len(), probing.len());
    let mut asking = JoinSet::new();
    for (i, source) in sources.iter().enumerate() {
        let Some(described) = policy.file.sources.get(i) else { continue };
        let ask = policy.ask(described, question.at, question.version.as_deref(), question.limit);
        let (source, listener) = (Arc::clone(source), Arc::clone(&listener));
        asking.spawn(async move {
            let limit = ask.limit + GRACE;
            let read = tokio::time::timeout(limit, source.read(&ask, listener.as_ref())).await;
            let late = |_| SourceReply::down(format!("no answer within {} s", limit.as_secs_f64()));
            (i, read.unwrap_or_else(late))
        });
    }
    let answered = replies(asking, sources.len(), listener.as_ref());
    let (replies, results) = tokio::join!(answered, probes.ask(&probing, listener.as_ref()));
    let broken = || SourceReply::down("the reading of it broke off: a bug in canary");
    let named = sources.iter().zip(replies);
    Evidence {
        policy: policy.digest(),
        at: question.at,
        version: question.version.clone(),
        percentage: question.percentage,
        before: question.before.clone(),
        sources: named
            .map(|(source, reply)| (source.name().to_owned(), reply.unwrap_or_else(broken)))
            .collect(),
        probes: results,
        probes_by: (!probing.is_empty()).then(|| probes.by()),
    }
}

/// The answers as they come, in the order of the sources.
async fn replies(
    mut asking: JoinSet<(usize, SourceReply)>,
    sources: usize,
    listener: &dyn RoundListener,
) -> Vec<Option<SourceReply>> {
    let mut replies: Vec<Option<SourceReply>> = vec![None; sources];
    while let Some(ended) = asking.join_next().await {
        let Ok((i, reply)) = ended else { continue };
        listener.answered(&reply);
        if let Some(slot) = replies.get_mut(i) {
            *slot = Some(reply);
        }
    }
    replies
}
