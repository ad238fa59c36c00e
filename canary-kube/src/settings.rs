//! Where probes run, and as what.

use std::time::Duration;

/// Where probes run, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub(crate) namespace: String,
    pub(crate) image: String,
    pub(crate) owner: String,
    /// The account of the pods; none of its credentials is mounted. The namespace's default one for `None`.
    pub service_account: Option<String>,
    /// Secrets that the image is pulled with.
    pub pull_secrets: Vec<String>,
    /// How long one call to the API server may take.
    pub call_limit: Duration,
    /// How long nothing may start before the round is given up.
    pub start_limit: Duration,
}

/// A setting that the API server would refuse.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// It is not a DNS label (RFC 1123).
    #[error("{what} {name:?} is not a name of at most 63 lower-case letters, digits and inner hyphens")]
    Name {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// It is not an image reference.
    #[error("the image {0:?} is empty, too long, or has blanks or control characters")]
    Image(String),
}

impl Settings {
    /// Probes in a namespace, with an image that has `canary-probe` as its entry point.
    ///
    /// `owner` names whoever runs one round at a time (a host and its state directory): what an earlier run of the same owner left behind is
    /// removed at the next start.
    ///
    /// # Errors
    ///
    /// A namespace or an image that the API server would refuse.
    pub fn new(namespace: &str, image: &str, owner: &str) -> Result<Self, SettingsError> {
        checked("the namespace", namespace)?;
        let strange = |c: char| c.is_whitespace() || c.is_control();
        if image.is_empty() || image.len() > 1024 || image.contains(strange) {
            return Err(SettingsError::Image(image.chars().take(80).collect()));
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            image: image.to_owned(),
            owner: owner.to_owned(),
            service_account: None,
            pull_secrets: Vec::new(),
            call_limit: Duration::from_secs(10),
            start_limit: Duration::from_secs(60),
        })
    }

    /// The same with pods of an account.
    ///
    /// # Errors
    ///
    /// A name that the API server would refuse.
    pub fn with_service_account(mut self, name: &str) -> Result<Self, SettingsError> {
        checked("the service account", name)?;
        self.service_account = Some(name.to_owned());
        Ok(self)
    }
}

fn checked(what: &'static str, name: &str) -> Result<(), SettingsError> {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = name.as_bytes();
    let inner = bytes.iter().all(|c| plain(*c) || *c == b'-');
    let ends = bytes.first().is_some_and(|c| plain(*c)) && bytes.last().is_some_and(|c| plain(*c));
    if inner && ends && bytes.len() <= 63 {
        return Ok(());
    }
    Err(SettingsError::Name { what, name: name.chars().take(80).collect() })
}
