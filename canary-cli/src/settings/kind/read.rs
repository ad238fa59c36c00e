//! The reading of each kind of value.

use std::num::IntErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use canary_core::analysis::{Number, Ratio};
use canary_core::fleet::{ArtifactError, NodeId, RemotePath};
use canary_postgres::live::DatabaseUrl;

use super::Reason;

pub(super) fn one_of(words: &[&str]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.join(""),
    }
}

/// Names separated by blanks, each once.
pub(in crate::settings) fn nodes<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<NodeId>, Reason> {
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

pub(super) fn control(text: &str) -> Option<Reason> {
    let bad = text.chars().find(|c| c.is_control())?;
    Some(Reason::new(format!("it has the control character {bad:?}"), "remove it"))
}

pub(super) fn file(text: &str) -> Result<PathBuf, Reason> {
    control(text).map_or_else(|| Ok(PathBuf::from(text)), Err)
}

pub(super) fn remote(text: &str) -> Result<RemotePath, Reason> {
    RemotePath::new(text).map_err(|error| {
        let why = match error {
            ArtifactError::RemotePath { why, .. } => why.to_owned(),
            other => other.to_string(),
        };
        Reason::new(
            why,
            "write an absolute path without '.', '..' or control characters, such as /opt/veza/backend-api",
        )
    })
}

pub(super) fn file_name(text: &str) -> Result<String, Reason> {
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

pub(super) fn role(text: &str) -> Result<String, Reason> {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let rest = |c: char| first(c) || "$.@-".contains(c);
    if text.len() <= 63 && text.starts_with(first) && text.chars().all(rest) {
        return Ok(text.to_owned());
    }
    Err(Reason::new("it is not a role's name", "use 1 to 63 letters, digits, '_', '$', '.', '@' and '-'"))
}

/// Off, a throw-away server, the server that another setting names, or its address without a password.
pub(super) fn shadow(text: &str) -> Result<String, Reason> {
    if !text.contains("://") {
        return choice(text, &["off", "local", "server"]);
    }
    let url = DatabaseUrl::parse(text)
        .map_err(|error| Reason::new(error.to_string(), "write postgres://user@host:5432/postgres"))?;
    if url.has_password() {
        let remedy = "write the address alone into a file, name it by migrations.shadow_url_file, and write server here";
        return Err(Reason::new("it holds a password, which others can read here", remedy));
    }
    Ok(text.to_owned())
}

pub(super) fn project(text: &str) -> Result<String, Reason> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.len() <= 63 && text.chars().all(allowed) && !text.starts_with(['-', '.']) {
        return Ok(text.to_owned());
    }
    Err(Reason::new("it is not an Incus project's name", "use 1 to 63 letters, digits, '-', '_' and '.'"))
}

pub(super) fn git_ref(text: &str) -> Result<String, Reason> {
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

pub(super) fn words(text: &str) -> Result<String, Reason> {
    if let Some(reason) = control(text) {
        return Err(reason);
    }
    let length = text.chars().count();
    if length > 200 {
        return Err(Reason::new(format!("it has {length} characters, at most 200 are kept"), "shorten it"));
    }
    Ok(text.trim().to_owned())
}

pub(super) fn time(
    text: &str,
    min: Duration,
    max: Duration,
    plain: bool,
    seconds: bool,
) -> Result<Duration, Reason> {
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

pub(super) fn seconds_number(text: &str) -> Result<Number, Reason> {
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

pub(super) fn ratio(text: &str) -> Result<Ratio, Reason> {
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

/// A ratio above 0 up to `max`.
pub(super) fn part(text: &str, max: f64) -> Result<Ratio, Reason> {
    let percent = 100.0 * max;
    let remedy = format!("write a ratio above 0 and up to {max}, or a percentage up to \"{percent}%\"");
    let text = text.trim();
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |percent| (percent.trim_end(), 100.0));
    let value = match number.parse::<f64>() {
        Ok(value) if value.is_finite() => value / scale,
        _ => return Err(Reason::new("it is neither a number nor a percentage", remedy)),
    };
    if value <= 0.0 {
        return Err(Reason::new("it is not above 0", remedy));
    }
    Ratio::new(value)
        .filter(|_| value <= max)
        .ok_or_else(|| Reason::new(format!("it is above {max}"), remedy))
}

pub(super) fn count(text: &str, min: u64, max: u64) -> Result<u64, Reason> {
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

pub(super) fn flag(text: &str) -> Result<bool, Reason> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "0" | "false" | "no" | "off" => Ok(false),
        _ => Err(Reason::new("it is neither yes nor no", "write true or false (1 and 0 will do)")),
    }
}

pub(super) fn choice(text: &str, words: &[&'static str]) -> Result<String, Reason> {
    if words.contains(&text) {
        return Ok(text.to_owned());
    }
    let remedy = match crate::settings::suggest::nearest(text, words.iter().copied()) {
        Some(word) => format!("did you mean {word:?}? It can be {}", one_of(words)),
        None => format!("write {}", one_of(words)),
    };
    Err(Reason::new("there is no such choice", remedy))
}
