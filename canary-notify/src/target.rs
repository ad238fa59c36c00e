//! A receiver: where it is, what it is sent, and what of it must never be shown.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use canary_core::time::Timestamp;
use canary_http::{ConfigError, HttpClient};

use crate::courier::{Courier, Undelivered, post};
use crate::notice::Notice;
use crate::secret::Secret;
use crate::sign::{SigningSecret, signature};
use crate::{alerts, cdevents, slack, webhook};

/// Why a receiver cannot be set up; shows no secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// Its address cannot be used.
    #[error("the address is not usable: {why}")]
    Address {
        /// What is wrong with it.
        why: String,
    },
    /// A secret cannot be used.
    #[error("the signing secret is not usable: {why}")]
    Secret {
        /// What is wrong with it.
        why: String,
    },
    /// The client cannot be set up.
    #[error(transparent)]
    Client(#[from] ConfigError),
}

/// What a receiver is sent.
#[derive(Debug, Clone)]
enum Form {
    /// JSON, signed with each secret.
    Webhook(Vec<SigningSecret>),
    /// A Slack message.
    Slack,
    /// A `CDEvent` from this source.
    CdEvents(String),
    /// Alerts of a Prometheus Alertmanager.
    Alerts,
}

/// Where a receiver is and what it is sent there.
#[derive(Debug, Clone)]
struct Post {
    client: HttpClient,
    /// What follows the host: paths and queries of incoming webhooks hold tokens.
    path: Secret,
    form: Form,
}

/// How a receiver is reached.
#[derive(Debug, Clone)]
enum Way {
    /// By one `POST` a notice.
    Post(Box<Post>),
    /// By what another crate knows.
    Courier(Arc<dyn Courier>),
}

/// A request's headers and body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The headers.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A receiver of notices.
#[derive(Debug, Clone)]
pub struct Target {
    name: &'static str,
    way: Way,
    host: String,
    port: u16,
    readable: bool,
}

impl Target {
    /// A webhook: JSON by `docs/notification.schema.json`, signed by Standard Webhooks with each secret.
    ///
    /// # Errors
    /// [`TargetError`] when the address cannot be used.
    pub fn webhook(
        url: &Secret,
        secrets: Vec<SigningSecret>,
        timeout: Duration,
    ) -> Result<Self, TargetError> {
        Self::new("webhook", url, None, timeout, Form::Webhook(secrets))
    }

    /// An incoming webhook of Slack, or of what understands its messages (Mattermost, Rocket.Chat, Discord's `/slack`).
    ///
    /// # Errors
    /// As [`Self::webhook`].
    pub fn slack(url: &Secret, timeout: Duration) -> Result<Self, TargetError> {
        Self::new("slack", url, None, timeout, Form::Slack)
    }

    /// A receiver of `CDEvents`; `source` is the URI reference that events name as theirs.
    ///
    /// # Errors
    /// As [`Self::webhook`].
    pub fn cdevents(
        url: &Secret,
        source: String,
        token: Option<&Secret>,
        timeout: Duration,
    ) -> Result<Self, TargetError> {
        Self::new("cdevents", url, token, timeout, Form::CdEvents(source))
    }

    /// A Prometheus Alertmanager, by its base address: alerts by its API v2.
    ///
    /// # Errors
    /// As [`Self::webhook`].
    pub fn alertmanager(
        url: &Secret,
        token: Option<&Secret>,
        timeout: Duration,
    ) -> Result<Self, TargetError> {
        let whole = Secret::new(format!("{}{}", url.reveal().trim_end_matches('/'), alerts::PATH));
        Self::new("alertmanager", &whole, token, timeout, Form::Alerts)
    }

    /// A receiver that another crate knows the way to.
    #[must_use]
    pub fn courier(courier: Arc<dyn Courier>) -> Self {
        let (host, port, readable) = courier.place();
        Self { name: courier.name(), way: Way::Courier(courier), host, port, readable }
    }

    fn new(
        name: &'static str,
        url: &Secret,
        token: Option<&Secret>,
        timeout: Duration,
        form: Form,
    ) -> Result<Self, TargetError> {
        let (base, path) = split(url.reveal())?;
        let builder =
            HttpClient::builder(name).base_url(base).hide_path().timeout(timeout).max_body(64 * 1024);
        let builder = match token {
            Some(token) => builder.bearer_token(token.reveal()),
            None => builder,
        };
        let (host, port) = authority(base);
        let client = builder.build()?;
        let readable = !client.to_string().starts_with("https://");
        let way = Way::Post(Box::new(Post { client, path: Secret::new(path), form }));
        Ok(Self { name, way, host, port, readable })
    }

    /// Its name: `webhook`, `slack`, `cdevents`, `alertmanager`, or a courier's.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether each body is signed.
    #[must_use]
    pub fn signed(&self) -> bool {
        matches!(self.form(), Some(Form::Webhook(secrets)) if !secrets.is_empty())
    }

    /// Whether what is sent can be read on the way: plain HTTP to another host.
    #[must_use]
    pub fn readable_on_the_way(&self) -> bool {
        self.readable && !matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1")
    }

    /// Whether a notice is anything to it: an Alertmanager takes alerts and their ends alone.
    #[must_use]
    pub fn takes(&self, notice: &Notice) -> bool {
        !matches!(self.form(), Some(Form::Alerts)) || alerts::body(notice).is_some()
    }

    /// Opens a connection, sends nothing and closes it.
    ///
    /// # Errors
    /// Why there is none, within `deadline`.
    pub async fn reach(&self, deadline: Duration) -> Result<(), String> {
        let connecting = tokio::net::TcpStream::connect((self.host.as_str(), self.port));
        match tokio::time::timeout(deadline, connecting).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("no connection: {error}")),
            Err(_) => Err("no connection in time".to_owned()),
        }
    }

    fn form(&self) -> Option<&Form> {
        match &self.way {
            Way::Post(to) => Some(&to.form),
            Way::Courier(_) => None,
        }
    }

    /// One try.
    pub(crate) async fn carry(
        &self,
        notice: &Notice,
        now: Timestamp,
        timeout: Duration,
    ) -> Result<(), Undelivered> {
        match &self.way {
            Way::Post(to) => {
                post(&to.client, to.path.reveal(), message(&to.form, notice, now), timeout).await
            }
            Way::Courier(courier) => courier.carry(notice, now, timeout).await,
        }
    }

    /// Takes the receiver's secrets out of a text that it may have echoed.
    pub(crate) fn redact(&self, text: &str) -> String {
        match &self.way {
            Way::Post(to) => to.path.redact(text),
            Way::Courier(_) => text.to_owned(),
        }
    }
}

/// What is sent, as of `now`: a try's own time is part of what is signed.
fn message(form: &Form, notice: &Notice, now: Timestamp) -> Message {
    match form {
        Form::Webhook(secrets) => {
            let body = webhook::body(notice).to_string().into_bytes();
            let seconds = now.as_millis() / 1000;
            let mut headers = vec![
                ("content-type", "application/json".to_owned()),
                ("webhook-id", notice.id.clone()),
                ("webhook-timestamp", seconds.to_string()),
            ];
            if !secrets.is_empty() {
                headers.push(("webhook-signature", signature(secrets, &notice.id, seconds, &body)));
            }
            Message { headers, body }
        }
        Form::Slack => {
            let headers = vec![("content-type", "application/json".to_owned())];
            Message { headers, body: slack::body(notice).to_string().into_bytes() }
        }
        Form::CdEvents(source) => {
            let event = cdevents::event(notice, source);
            let mut headers = event.headers;
            headers.push(("content-type", "application/cdevents+json; charset=utf-8".to_owned()));
            Message { headers, body: event.body.to_string().into_bytes() }
        }
        Form::Alerts => {
            let headers = vec![("content-type", "application/json".to_owned())];
            let alerts = alerts::body(notice).unwrap_or_else(|| serde_json::json!([]));
            Message { headers, body: alerts.to_string().into_bytes() }
        }
    }
}

impl fmt::Display for Target {
    /// The name and the host; never the path.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.way {
            Way::Post(to) => write!(f, "{} at {}", self.name, to.client),
            Way::Courier(courier) => courier.fmt(f),
        }
    }
}

/// Host and port of a base that the client has accepted.
fn authority(base: &str) -> (String, u16) {
    let (scheme, rest) = base.split_once("://").unwrap_or(("http", base));
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let default = if scheme == "https" { 443 } else { 80 };
    let colon = rest.rfind(':').filter(|at| !rest[*at..].contains(']'));
    let (host, port) = match colon {
        Some(at) => (&rest[..at], rest[at + 1..].parse().unwrap_or(default)),
        None => (rest, default),
    };
    (host.trim_matches(['[', ']']).to_owned(), port)
}

/// Splits an address after its host: what follows may be a secret.
fn split(url: &str) -> Result<(&str, &str), TargetError> {
    let refuse = |why: &str| Err(TargetError::Address { why: why.to_owned() });
    let Some((scheme, rest)) = url.split_once("://") else {
        return refuse("it does not start with http:// or https://");
    };
    if !matches!(scheme, "http" | "https") {
        return refuse("it does not start with http:// or https://");
    }
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return refuse("it has a blank or a line end in it");
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if rest[end..].contains('#') {
        return refuse("it has a fragment (#)");
    }
    if end == 0 {
        return refuse("it names no host");
    }
    Ok(url.split_at(scheme.len() + 3 + end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slack(url: &str) -> Result<Target, TargetError> {
        Target::slack(&Secret::new(url), Duration::from_secs(1))
    }

    #[test]
    fn the_path_is_never_shown() {
        let target = slack("https://hooks.slack.com/services/T000/B000/abcdefghXYZ?token=12345678").unwrap();
        assert_eq!(target.to_string(), "slack at https://hooks.slack.com");
        let debug = format!("{target:?}");
        assert!(!debug.contains("abcdefghXYZ") && !debug.contains("12345678"), "{debug}");
        assert_eq!(target.redact("no abcdefghXYZ here"), "no … here");
    }

    #[test]
    fn hosts_and_ports() {
        for (base, host, port) in [
            ("https://a.example", "a.example", 443),
            ("http://a.example:8080", "a.example", 8080),
            ("http://user:pw@[::1]:99", "::1", 99),
            ("https://[::1]", "::1", 443),
        ] {
            assert_eq!(authority(base), (host.to_owned(), port));
        }
    }

    #[test]
    fn addresses_that_cannot_be_used_are_refused_without_being_shown() {
        for url in [
            "",
            "hooks.slack.com/services/secret-part",
            "ftp://host/secret-part",
            "https:///secret-part",
            "https://host/secret part",
            "https://host/secret#part",
            "https://ho st/",
            "https://user:pw@/x",
        ] {
            let error = slack(url).map(|target| target.to_string()).unwrap_err().to_string();
            assert!(!error.contains("secret") && !error.contains("pw"), "{error}");
        }
    }
}
