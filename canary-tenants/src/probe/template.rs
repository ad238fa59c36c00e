//! URLs with a tenant's name in them, into which no name can put anything but itself.

use std::fmt;
use std::fmt::Write as _;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// What stands for the tenant's name.
const TENANT: &str = "{tenant}";
/// The most bytes of a template.
const LONGEST: usize = 2048;
/// The most bytes of a label of a host's name, and of the name (RFC 1035, section 2.3.4).
const LONGEST_LABEL: usize = 63;
const LONGEST_HOST: usize = 253;

/// An `http` or `https` URL, in whose host, path and query `{tenant}` stands for the tenant's name.
///
/// In the path and query the name is percent-escaped, all but letters, digits and `-._~`; in the host it must be part of a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlTemplate {
    https: bool,
    host: String,
    port: u16,
    rest: String,
}

/// Where one tenant is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether TLS is spoken.
    pub https: bool,
    /// The host: a name, an IPv4 address, or an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path and query, as they are sent.
    pub path: String,
}

/// Why a template is none, or a name does not fit into it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

fn wrong<T>(why: impl Into<String>) -> Result<T, TemplateError> {
    Err(TemplateError(why.into()))
}

impl FromStr for UrlTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if text.len() > LONGEST {
            return wrong(format!("it is longer than {LONGEST} bytes"));
        }
        let (https, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => return wrong("it does not begin with http:// or https://"),
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (host, port) = authority_parts(authority, https)?;
        sendable(rest)?;
        let slash = if rest.starts_with('/') { "" } else { "/" };
        let template = Self { https, host: host.to_owned(), port, rest: format!("{slash}{rest}") };
        // What is wrong with any name is the template's fault.
        template.endpoint("t")?;
        Ok(template)
    }
}

fn authority_parts(authority: &str, https: bool) -> Result<(&str, u16), TemplateError> {
    if authority.contains('@') {
        return wrong("it has a user or password in it");
    }
    let colon = authority.rfind(':').filter(|colon| !authority[*colon..].contains(']'));
    let (host, port) = match colon {
        None => (authority, if https { 443 } else { 80 }),
        Some(colon) => match authority[colon + 1..].parse::<u16>() {
            Ok(port) if port > 0 && authority.as_bytes()[colon + 1] != b'+' => (&authority[..colon], port),
            _ => return wrong("its port is no number from 1 to 65535"),
        },
    };
    let literal = host.strip_prefix('[').map(|inner| inner.strip_suffix(']').unwrap_or(""));
    match literal {
        Some(inner) if inner.parse::<Ipv6Addr>().is_ok() => Ok((inner, port)),
        Some(_) => wrong("its host is no IPv6 address"),
        None => Ok((host, port)),
    }
}

/// What may be sent as it is, and nothing that ends a request's line or means something else than it looks like.
fn sendable(rest: &str) -> Result<(), TemplateError> {
    let plain = rest.replace(TENANT, "");
    for (at, c) in plain.char_indices() {
        let good =
            c.is_ascii_graphic() && !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}' | '#');
        if !good {
            return wrong(format!("it has {c:?} in it, where only {TENANT} and characters of URLs may be"));
        }
        let escape = plain.as_bytes().get(at + 1..at + 3);
        if c == '%' && !escape.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
            return wrong("it has a % in it that begins no percent-escape");
        }
    }
    Ok(())
}

impl UrlTemplate {
    /// Whether TLS is spoken.
    #[must_use]
    pub const fn https(&self) -> bool {
        self.https
    }

    /// What fails together: scheme, host and port, with `{tenant}` where each tenant has a host of its own.
    #[must_use]
    pub fn group(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://{}:{}", self.shown_host(), self.port)
    }

    fn shown_host(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }

    /// Where a tenant is asked.
    ///
    /// # Errors
    /// The name cannot stand in the host, or would make another path of it.
    pub fn endpoint(&self, tenant: &str) -> Result<Endpoint, TemplateError> {
        let host = self.host(tenant)?;
        let path = self.rest.replace(TENANT, &escaped(tenant));
        let segments = path.split('?').next().unwrap_or_default().split('/');
        for segment in segments {
            let plain = segment.to_ascii_lowercase().replace("%2e", ".");
            if plain == "." || plain == ".." {
                return wrong(format!("the segment {segment:?} of its path leads elsewhere"));
            }
        }
        Ok(Endpoint { https: self.https, host, port: self.port, path })
    }

    fn host(&self, tenant: &str) -> Result<String, TemplateError> {
        if self.host.contains(':') {
            return Ok(self.host.clone());
        }
        let fits = |text: &str, more: &str| {
            !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        if self.host.contains(TENANT) && !fits(tenant, "-") {
            return wrong(format!("{tenant:?} cannot be part of a host's name: letters, digits and `-` can"));
        }
        let host = self.host.replace(TENANT, tenant);
        if !fits(&host, "-_.") || host.len() > LONGEST_HOST {
            return wrong("its host is no name and no address");
        }
        for label in host.trim_end_matches('.').split('.') {
            if label.is_empty()
                || label.len() > LONGEST_LABEL
                || label.starts_with('-')
                || label.ends_with('-')
            {
                return wrong(format!("{label:?} is no label of a host's name"));
            }
        }
        Ok(host)
    }
}

impl fmt::Display for UrlTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.group(), self.rest)
    }
}

impl Endpoint {
    /// Host and port as a URL has them; a port that is the scheme's own is left out.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let own = if self.https { 443 } else { 80 };
        if self.port == own { host } else { format!("{host}:{}", self.port) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

impl FromStr for Endpoint {
    type Err = TemplateError;

    /// Reads a URL without a placeholder.
    fn from_str(text: &str) -> Result<Self, TemplateError> {
        if text.contains(TENANT) {
            return wrong(format!("it has {TENANT} in it"));
        }
        // A filled template is longer than one: its name was escaped.
        let cut = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
        let template: UrlTemplate = text[..cut].parse()?;
        sendable(&text[cut..])?;
        let mut endpoint = template.endpoint("t")?;
        endpoint.path.push_str(&text[cut..]);
        Ok(endpoint)
    }
}

/// Percent-escapes all but the unreserved characters (RFC 3986, section 2.3).
fn escaped(text: &str) -> String {
    let mut all = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            all.push(char::from(byte));
        } else {
            // proof: writing to a String does not fail.
            let _ = write!(all, "%{byte:02X}");
        }
    }
    all
}
