//! Measures all tenants of a Prometheus, a Thanos or a Mimir by a few questions, whatever their number.

mod asking;
mod assemble;
mod number;
mod questions;
mod rows;

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use canary_http::HttpClient;
use canary_tenants::gap::GapCode;
use canary_tenants::policy::{Source, SourceKind};
use canary_tenants::source::{SourceAsk, SourceProgress, SourceReply, TenantSource};

use crate::client::PrometheusClient;
use crate::config::ConfigError;
use asking::{Asking, Stop};

/// The largest answer: 5,000 tenants' buckets, generously.
const LARGEST: usize = 64 * 1024 * 1024;

/// One source of a policy that speaks the Prometheus query API.
///
/// All questions are of one instant. Each is for all tenants, grouped by the label that names them; above 5,000 expected tenants they
/// go out in sets of 500, four at a time, since a Prometheus evaluates one query on one core. Only tenants that are missing are
/// looked for in the hour before, and only where samples are missing is asked what was before the window.
pub struct PrometheusTenants {
    name: String,
    client: PrometheusClient,
    scrape: u64,
    label: String,
    map: BTreeMap<String, String>,
    /// What goes with every question.
    form: Vec<(&'static str, &'static str)>,
}

impl PrometheusTenants {
    /// Checks the settings of a policy's source; connects to nothing. `label` names tenants where the source has no other label, `token`
    /// is what its `bearer_token_file` holds.
    ///
    /// # Errors
    /// [`ConfigError`] naming the setting.
    pub fn new(source: &Source, label: &str, token: Option<&str>) -> Result<Self, ConfigError> {
        let mut http = HttpClient::builder("prometheus")
            .base_url(&source.url)
            .timeout(Duration::from_micros(source.timeout))
            .max_body(LARGEST);
        if let Some(token) = token {
            http = http.bearer_token(token);
        }
        let mut form = Vec::new();
        match &source.kind {
            SourceKind::Mimir { org_id } => http = http.secret_header("X-Scope-OrgID", org_id),
            // What a store does not answer would otherwise be missing with no more than a warning.
            SourceKind::Thanos => form.extend([("partial_response", "false"), ("dedup", "true")]),
            _ => {}
        }
        Ok(Self {
            name: source.name.clone(),
            client: PrometheusClient::new(http.build()?),
            scrape: source.scrape,
            label: source.tenant_label.as_deref().unwrap_or(label).to_owned(),
            map: source.label_map.clone(),
            form,
        })
    }
}

impl fmt::Display for PrometheusTenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (Prometheus at {})", self.name, self.client.place())
    }
}

impl fmt::Debug for PrometheusTenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusTenants")
            .field("name", &self.name)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TenantSource for PrometheusTenants {
    fn name(&self) -> &str {
        &self.name
    }

    async fn read(&self, ask: &SourceAsk, progress: &dyn SourceProgress) -> SourceReply {
        let began = Instant::now();
        let mut asking = Asking::new(self, ask, progress);
        let ended = tokio::time::timeout(ask.limit, asking.all()).await;
        let mut reply = SourceReply { queries: asking.told(), ..SourceReply::default() };
        match ended {
            Err(_) => {
                let why = format!("no whole answer within {} s", ask.limit.as_secs_f64());
                reply.trouble = Some((GapCode::SourceDown, why));
            }
            Ok(Err(Stop::Down(why))) => reply.trouble = Some((GapCode::SourceDown, why)),
            Ok(Err(Stop::Refused(why))) => reply.refused = Some(why),
            Ok(Ok(())) => {
                reply.trouble = asking.partial(&reply.queries).map(|why| (GapCode::Partial, why));
                reply.found = asking.found();
            }
        }
        reply.ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        reply
    }
}
