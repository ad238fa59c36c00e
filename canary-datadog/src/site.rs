//! Which of Datadog's sites holds the account.

use std::fmt;

/// Says why a text is no site; does not show one that holds credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SiteError(String);

/// A site: `datadoghq.eu`, or the base URL of what speaks its API in its place (a proxy, a test's server).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    shown: String,
    api: String,
    intake: String,
    host: String,
    port: u16,
}

impl Site {
    /// Reads a site: a domain (`datadoghq.com`, `us5.datadoghq.com`), or `http://` or `https://` and a host.
    ///
    /// # Errors
    /// [`SiteError`] when it is neither.
    pub fn parse(text: &str) -> Result<Self, SiteError> {
        let text = text.trim().trim_end_matches('/');
        if let Some((scheme, rest)) = text.split_once("://") {
            if rest.contains('@') {
                return Err(SiteError("a site holds no credentials".to_owned()));
            }
            let named = rest.chars().all(|c| c.is_ascii_alphanumeric() || ".-:[]".contains(c));
            if !matches!(scheme, "http" | "https") || rest.is_empty() || !named {
                return Err(SiteError(format!("{text:?} is no URL of a host")));
            }
            let (host, port) = split(rest, if scheme == "https" { 443 } else { 80 });
            return Ok(Self {
                shown: text.to_owned(),
                api: text.to_owned(),
                intake: text.to_owned(),
                host,
                port,
            });
        }
        let label = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if !text.contains('.') || !text.split('.').all(label) {
            return Err(SiteError(format!("{text:?} is no site; one is datadoghq.com or datadoghq.eu")));
        }
        let (api, intake) = (format!("api.{text}"), format!("event-management-intake.{text}"));
        Ok(Self {
            shown: text.to_owned(),
            host: intake.clone(),
            port: 443,
            api: format!("https://{api}"),
            intake: format!("https://{intake}"),
        })
    }

    /// The base URL of queries, and of Events v1.
    #[must_use]
    pub fn api(&self) -> &str {
        &self.api
    }

    /// The base URL of Events v2.
    #[must_use]
    pub fn intake(&self) -> &str {
        &self.intake
    }

    /// Host and port of the intake.
    pub(crate) fn place(&self) -> (String, u16) {
        (self.host.clone(), self.port)
    }

    /// Whether what is sent can be read on the way.
    pub(crate) fn readable(&self) -> bool {
        self.api.starts_with("http://")
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn split(rest: &str, default: u16) -> (String, u16) {
    let colon = rest.rfind(':').filter(|at| !rest[*at..].contains(']'));
    let (host, port) = match colon {
        Some(at) => (&rest[..at], rest[at + 1..].parse().unwrap_or(default)),
        None => (rest, default),
    };
    (host.trim_matches(['[', ']']).to_owned(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_has_two_hosts_and_a_url_is_both() {
        let site = Site::parse("us5.datadoghq.com").unwrap();
        assert_eq!(site.api(), "https://api.us5.datadoghq.com");
        assert_eq!(site.intake(), "https://event-management-intake.us5.datadoghq.com");
        assert_eq!(site.place(), ("event-management-intake.us5.datadoghq.com".to_owned(), 443));
        let local = Site::parse("http://127.0.0.1:8126/").unwrap();
        assert_eq!((local.api(), local.intake()), ("http://127.0.0.1:8126", "http://127.0.0.1:8126"));
        assert_eq!(local.place(), ("127.0.0.1".to_owned(), 8126));
        assert!(local.readable() && !site.readable());
    }

    #[test]
    fn what_is_no_site_is_refused() {
        for text in [
            "",
            "datadog",
            "Datadoghq.com",
            "datadoghq.com/x",
            "a b.com",
            "ftp://x",
            "https://u:secret@h",
            "http://h/p",
        ] {
            let error = Site::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
