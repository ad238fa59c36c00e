//! What may be written as a setting's value, and the reading of it.

use std::num::IntErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use canary_core::analysis::{Number, Ratio};
use canary_core::fleet::{HttpPath, MetricName, NodeId, PoolName, RemotePath, ServiceName, UnitName};

use super::address::{self, HaproxyAddress};

/// Why a value cannot be used, and what can.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What is wrong with it.
    pub why: String,
    /// What to write instead.
    pub remedy: String,
}

impl Reason {
    /// A reason with its remedy.
    pub fn new(why: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { why: why.into(), remedy: remedy.into() }
    }
}

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A path on this host (or one that is looked for there first).
    File,
    /// A path inside the instances.
    RemotePath,
    /// A file name without directories.
    FileName,
    /// A node's or an instance's name.
    Node,
    /// Several of them.
    Nodes,
    /// A pool's name.
    Pool,
    /// A service's name.
    Service,
    /// A systemd unit.
    Unit,
    /// A metric's or a label's name.
    Metric,
    /// The path of an HTTP request.
    HttpPath,
    /// An `http://` or `https://` address.
    Url,
    /// An `https://` address.
    SecureUrl,
    /// A way to HAProxy's admin socket.
    Address,
    /// An Incus project.
    Project,
    /// A git reference.
    GitRef,
    /// A short text for people.
    Words,
    /// A length of time within bounds.
    Time {
        /// The shortest that makes sense.
        min: Duration,
        /// The longest that makes sense.
        max: Duration,
        /// Whether the variable takes whole seconds without a unit.
        plain_seconds: bool,
    },
    /// A positive number of seconds (`0.5`), or a time with a unit (`500ms`).
    Seconds,
    /// A ratio above 0 up to 1 (`0.005`), or a percentage (`0.5%`).
    Ratio,
    /// A whole number within bounds.
    Count {
        /// The smallest.
        min: u64,
        /// The largest.
        max: u64,
    },
    /// Yes or no.
    Flag,
    /// One of a few words.
    Choice(&'static [&'static str]),
}

/// A value that was read.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each variant is named after the type it holds")]
pub enum Value {
    File(PathBuf),
    RemotePath(RemotePath),
    Node(NodeId),
    Nodes(Vec<NodeId>),
    Pool(PoolName),
    Service(ServiceName),
    Unit(UnitName),
    Metric(MetricName),
    HttpPath(HttpPath),
    Address(HaproxyAddress),
    Text(String),
    Time(Duration),
    Number(Number),
    Ratio(Ratio),
    Count(u64),
    Flag(bool),
}

impl Kind {
    /// The value's shape in one or two words, for help and documentation.
    #[must_use]
    pub fn shape(&self) -> String {
        match self {
            Self::File => "PATH".to_owned(),
            Self::RemotePath => "PATH IN THE INSTANCE".to_owned(),
            Self::FileName => "FILE NAME".to_owned(),
            Self::Node => "NODE".to_owned(),
            Self::Nodes => "NODES".to_owned(),
            Self::Pool | Self::Service | Self::Unit | Self::Metric | Self::Project => "NAME".to_owned(),
            Self::HttpPath => "HTTP PATH".to_owned(),
            Self::Url | Self::SecureUrl => "URL".to_owned(),
            Self::Address => "ADDRESS".to_owned(),
            Self::GitRef => "REF".to_owned(),
            Self::Words => "TEXT".to_owned(),
            Self::Time { .. } => "TIME".to_owned(),
            Self::Seconds => "SECONDS".to_owned(),
            Self::Ratio => "RATIO".to_owned(),
            Self::Count { .. } => "NUMBER".to_owned(),
            Self::Flag => "true|false".to_owned(),
            Self::Choice(words) => words.join("|"),
        }
    }

    /// Reads a value. `seconds` says that a bare whole number is a number of seconds where the kind allows it.
    ///
    /// # Errors
    /// [`Reason`] with what is wrong and what to write instead.
    pub fn read(&self, text: &str, seconds: bool) -> Result<Value, Reason> {
        if text.trim().is_empty() && !matches!(self, Self::Nodes) {
            return Err(Reason::new("it is empty", format!("write {}", self.example())));
        }
        let name = |error: canary_core::fleet::NameError| {
            Reason::new(error.why, format!("write {}", self.example()))
        };
        Ok(match self {
            Self::File => Value::File(file(text)?),
            Self::RemotePath => Value::RemotePath(remote(text)?),
            Self::FileName => Value::Text(file_name(text)?),
            Self::Node => Value::Node(NodeId::new(text).map_err(name)?),
            Self::Nodes => Value::Nodes(nodes(text.split_whitespace())?),
            Self::Pool => Value::Pool(PoolName::new(text).map_err(name)?),
            Self::Service => Value::Service(ServiceName::new(text).map_err(name)?),
            Self::Unit => Value::Unit(UnitName::new(text).map_err(name)?),
            Self::Metric => Value::Metric(MetricName::new(text).map_err(name)?),
            Self::HttpPath => Value::HttpPath(HttpPath::new(text).map_err(name)?),
            Self::Url => Value::Text(address::url(text, false)?),
            Self::SecureUrl => Value::Text(address::url(text, true)?),
            Self::Address => Value::Address(address::haproxy(text)?),
            Self::Project => Value::Text(project(text)?),
            Self::GitRef => Value::Text(git_ref(text)?),
            Self::Words => Value::Text(words(text)?),
            Self::Time { min, max, plain_seconds } => {
                Value::Time(time(text, *min, *max, *plain_seconds, seconds)?)
            }
            Self::Seconds => Value::Number(seconds_number(text)?),
            Self::Ratio => Value::Ratio(ratio(text)?),
            Self::Count { min, max } => Value::Count(count(text, *min, *max)?),
            Self::Flag => Value::Flag(flag(text)?),
            Self::Choice(words) => Value::Text(choice(text, words)?),
        })
    }

    /// What a good value looks like, for hints.
    #[must_use]
    pub fn example(&self) -> String {
        match self {
            Self::File => "the path of a file".to_owned(),
            Self::RemotePath => "an absolute path, such as /opt/veza/backend-api".to_owned(),
            Self::FileName => "a file name, such as veza-api".to_owned(),
            Self::Node | Self::Nodes => {
                "a name of letters, digits, '-', '_' and '.', such as backend-api-2".to_owned()
            }
            Self::Pool => "the name of the balancer's pool, such as api_pool".to_owned(),
            Self::Service => "a name of letters, digits, '-', '_' and '.', such as backend-api".to_owned(),
            Self::Unit => "a systemd unit, such as veza-backend-api".to_owned(),
            Self::Metric => "a name as Prometheus has it, such as http_requests_total".to_owned(),
            Self::HttpPath => "a path that starts with '/', such as /api/v1/health".to_owned(),
            Self::Url => "an address such as http://prom.lxd:9090".to_owned(),
            Self::SecureUrl => "an address such as https://10.0.0.1:8443".to_owned(),
            Self::Address => "unix:/path, tcp:host:port or instance:name:/path".to_owned(),
            Self::Project => "a project's name, such as default".to_owned(),
            Self::GitRef => "a branch, tag or commit, such as origin/main".to_owned(),
            Self::Words => "a few words".to_owned(),
            Self::Time { .. } => "a number with a unit, such as 30s, 5m or 1h".to_owned(),
            Self::Seconds => "a number of seconds, such as 0.5, or a time, such as \"500ms\"".to_owned(),
            Self::Ratio => "a ratio, such as 0.005, or a percentage, such as \"0.5%\"".to_owned(),
            Self::Count { min, max } => format!("a whole number from {min} to {max}"),
            Self::Flag => "true or false".to_owned(),
            Self::Choice(words) => one_of(words),
        }
    }
}

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.join(""),
    }
}

/// Names separated by blanks, each once.
pub(super) fn nodes<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<NodeId>, Reason> {
    let mut nodes: Vec<NodeId> = Vec::new();
    for name in names {
        let remedy = "write names of letters, digits, '-', '_' and '.'; in a variable or flag, put blanks between them";
        let node = NodeId::new(name).map_err(|e| Reason::new(e.to_string(), remedy))?;
        if nodes.contains(&node) {
            return Err(Reason::new(format!("{name} is named twice"), "name each node once"));
        }
        nodes.push(node);
    }
    Ok(nodes)
}

fn control(text: &str) -> Option<Reason> {
    let bad = text.chars().find(|c| c.is_control())?;
    Some(Reason::new(format!("it has the control character {bad:?}"), "remove it"))
}

fn file(text: &str) -> Result<PathBuf, Reason> {
    control(text).map_or_else(|| Ok(PathBuf::from(text)), Err)
}

fn remote(text: &str) -> Result<RemotePath, Reason> {
    RemotePath::new(text).map_err(|error| {
        let why = match error {
            canary_core::fleet::ArtifactError::RemotePath { why, .. } => why.to_owned(),
            other => other.to_string(),
        };
        Reason::new(
            why,
            "write an absolute path without '.', '..' or control characters, such as /opt/veza/backend-api",
        )
    })
}

fn file_name(text: &str) -> Result<String, Reason> {
    if text.contains('/') {
        return Err(Reason::new(
            "it has a '/'",
            "write the file's name alone; its directory is service.install_dir",
        ));
    }
    remote(&format!("/{text}"))
        .map(|_| text.to_owned())
        .map_err(|reason| Reason::new(reason.why, "write a file name, such as veza-api"))
}

fn project(text: &str) -> Result<String, Reason> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.len() <= 63 && text.chars().all(allowed) && !text.starts_with(['-', '.']) {
        return Ok(text.to_owned());
    }
    Err(Reason::new("it is not an Incus project's name", "use 1 to 63 letters, digits, '-', '_' and '.'"))
}

fn git_ref(text: &str) -> Result<String, Reason> {
    let remedy = "write a branch, tag or commit, such as origin/main";
    if text.starts_with('-') {
        return Err(Reason::new("it starts with '-' and would be taken for an option of git", remedy));
    }
    if let Some(bad) = text.chars().find(|c| c.is_whitespace() || c.is_control() || "~^:?*[\\".contains(*c)) {
        return Err(Reason::new(format!("{bad:?} is not allowed"), remedy));
    }
    if text.contains("..") {
        return Err(Reason::new("it is a range", remedy));
    }
    Ok(text.to_owned())
}

fn words(text: &str) -> Result<String, Reason> {
    if let Some(reason) = control(text) {
        return Err(reason);
    }
    let length = text.chars().count();
    if length > 200 {
        return Err(Reason::new(format!("it has {length} characters, at most 200 are kept"), "shorten it"));
    }
    Ok(text.trim().to_owned())
}

fn time(text: &str, min: Duration, max: Duration, plain: bool, seconds: bool) -> Result<Duration, Reason> {
    let remedy = if plain && seconds {
        "write whole seconds, such as 30, or a number with a unit, such as 30s, 5m or 1h"
    } else {
        "write a number with a unit, such as 30s, 5m or 1h"
    };
    let show = |time: Duration| humantime::format_duration(time).to_string();
    let text = text.trim();
    if text.starts_with('-') {
        return Err(Reason::new("a time cannot be negative", remedy));
    }
    let value = match text.parse::<u64>() {
        Ok(0) => Duration::ZERO,
        Ok(whole) if plain && seconds => Duration::from_secs(whole),
        Ok(whole) => {
            return Err(Reason::new("it has no unit", format!("write \"{whole}s\" if you mean seconds")));
        }
        Err(_) if text.parse::<f64>().is_ok_and(f64::is_finite) => {
            let why =
                if plain && seconds { "a part of a second makes no sense here" } else { "it has no unit" };
            return Err(Reason::new(why, remedy));
        }
        Err(_) => humantime::parse_duration(text).map_err(|error| match error {
            humantime::DurationError::NumberOverflow => {
                Reason::new("it is too long", format!("write {} or less", show(max)))
            }
            _ => Reason::new("it is no time", remedy),
        })?,
    };
    if value < min {
        return Err(Reason::new("it is too short", format!("write {} or more", show(min))));
    }
    if value > max {
        return Err(Reason::new("it is too long", format!("write {} or less", show(max))));
    }
    Ok(value)
}

fn seconds_number(text: &str) -> Result<Number, Reason> {
    let remedy = "write a number of seconds, such as 0.5, or a time, such as \"500ms\"";
    let text = text.trim();
    let value = match text.parse::<f64>() {
        Ok(value) => value,
        Err(_) => humantime::parse_duration(text)
            .map(|time| time.as_secs_f64())
            .map_err(|_| Reason::new("it is neither a number of seconds nor a time", remedy))?,
    };
    let Some(number) = Number::new(value) else {
        return Err(Reason::new("it is not a finite number: the bound could never be judged", remedy));
    };
    if value <= 0.0 {
        return Err(Reason::new("nothing is ever below it: every release would be rolled back", remedy));
    }
    Ok(number)
}

fn ratio(text: &str) -> Result<Ratio, Reason> {
    let remedy = "write a ratio above 0 and up to 1, such as 0.005, or a percentage, such as \"0.5%\"";
    let text = text.trim();
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |percent| (percent.trim_end(), 100.0));
    let Ok(value) = number.parse::<f64>() else {
        return Err(Reason::new("it is neither a number nor a percentage", remedy));
    };
    if !value.is_finite() {
        return Err(Reason::new("it is not a finite number: the bound could never be judged", remedy));
    }
    if value <= 0.0 {
        return Err(Reason::new("nothing is ever below it: every release would be rolled back", remedy));
    }
    Ratio::new(value / scale).ok_or_else(|| {
        let hint = format!("{remedy}; if you mean {value} percent, write \"{value}%\"");
        Reason::new(
            "it is above 1: the bound could never trip",
            if scale > 1.0 || value > 100.0 { remedy.to_owned() } else { hint },
        )
    })
}

fn count(text: &str, min: u64, max: u64) -> Result<u64, Reason> {
    let remedy = format!("write a whole number from {min} to {max}");
    let text = text.trim();
    let value = match text.parse::<i128>() {
        Ok(value) => value,
        Err(error) if *error.kind() == IntErrorKind::PosOverflow => {
            return Err(Reason::new("it is too large", remedy));
        }
        Err(_) => return Err(Reason::new("it is not a whole number", remedy)),
    };
    match u64::try_from(value) {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        Ok(value) if value < min => Err(Reason::new("it is too small", remedy)),
        Ok(_) => Err(Reason::new("it is too large", remedy)),
        Err(_) if value < 0 => Err(Reason::new("it is negative", remedy)),
        Err(_) => Err(Reason::new("it is too large", remedy)),
    }
}

fn flag(text: &str) -> Result<bool, Reason> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(Reason::new("it is neither yes nor no", "write true or false (1 and 0 will do)")),
    }
}

fn choice(text: &str, words: &[&'static str]) -> Result<String, Reason> {
    if words.contains(&text) {
        return Ok(text.to_owned());
    }
    let remedy = match super::suggest::nearest(text, words.iter().copied()) {
        Some(word) => format!("did you mean {word:?}? It can be {}", one_of(words)),
        None => format!("write {}", one_of(words)),
    };
    Err(Reason::new("there is no such choice", remedy))
}
