//! The reading of lists: nodes at their addresses, arguments, variables.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use std::time::Duration;

use canary_core::analysis::HoldKind;
use canary_core::fleet::NodeId;
use canary_core::spec::Percent;

use super::Reason;
use super::read::{choice, time};
use crate::settings::suggest::nearest;

/// Variables of a program's environment; their values are not shown, since they are often secrets.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Assignments(pub BTreeMap<String, String>);

impl fmt::Debug for Assignments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Display for Assignments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<_> = self.0.keys().map(|name| format!("{name}=…")).collect();
        f.write_str(&shown.join(" "))
    }
}

pub(super) fn loopback(text: &str) -> Result<SocketAddr, Reason> {
    let remedy = "write a loopback address with a port, such as 127.0.0.1:8000 or [::1]:8000";
    let address: SocketAddr =
        text.parse().map_err(|_| Reason::new("it is not an IP address with a port", remedy))?;
    if !address.ip().is_loopback() {
        return Err(Reason::new("it is not a loopback address: others could reach it", remedy));
    }
    if address.port() == 0 {
        return Err(Reason::new("it has no port", remedy));
    }
    Ok(address)
}

pub(super) fn places(texts: &[&str]) -> Result<Vec<(NodeId, SocketAddr)>, Reason> {
    let mut places: Vec<(NodeId, SocketAddr)> = Vec::new();
    for text in texts {
        let remedy = "write each node with its address, such as api-1=127.0.0.1:8081";
        let Some((name, address)) = text.split_once('=') else {
            return Err(Reason::new(format!("{text:?} has no '='"), remedy));
        };
        let node = NodeId::new(name).map_err(|error| Reason::new(error.to_string(), remedy))?;
        let address = loopback(address)
            .map_err(|reason| Reason::new(format!("{text}: {}", reason.why), reason.remedy))?;
        if let Some((other, _)) = places.iter().find(|place| place.0 == node || place.1 == address) {
            let why = format!("{text} and {other} have the same name or address");
            return Err(Reason::new(why, "give each node a name and a port of its own"));
        }
        places.push((node, address));
    }
    Ok(places)
}

pub(super) fn arguments(texts: &[&str]) -> Result<Vec<String>, Reason> {
    match texts.iter().find(|text| text.contains('\0')) {
        Some(_) => Err(Reason::new("an argument has a zero byte", "remove it")),
        None => Ok(texts.iter().map(|&text| text.to_owned()).collect()),
    }
}

pub(super) fn assignments(texts: &[&str]) -> Result<Assignments, Reason> {
    let mut all = BTreeMap::new();
    for text in texts {
        let (name, value) = assignment(text)?;
        if all.insert(name.clone(), value).is_some() {
            return Err(Reason::new(format!("{name} is set twice"), "set each variable once"));
        }
    }
    Ok(Assignments(all))
}

pub(super) fn percents(texts: &[&str]) -> Result<Vec<Percent>, Reason> {
    let remedy = "write ascending percentages, such as 5% and 25%; the whole weight follows by itself";
    let mut percents: Vec<Percent> = Vec::new();
    for text in texts {
        let percent: Percent = text
            .parse()
            .map_err(|error: canary_core::spec::PercentError| Reason::new(error.to_string(), remedy))?;
        if let Some(last) = percents.last().filter(|last| **last >= percent) {
            return Err(Reason::new(format!("{percent} comes after {last}"), remedy));
        }
        percents.push(percent);
    }
    Ok(percents)
}

/// Reads `NAME=value`; what is wrong with it is told without the value.
pub(crate) fn assignment(text: &str) -> Result<(String, String), Reason> {
    let remedy = "write each as NAME=value, the name of letters, digits and '_'";
    let Some((name, value)) = text.split_once('=') else {
        return Err(Reason::new("one of them has no '='", remedy));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(plain) {
        return Err(Reason::new(format!("{name:?} is not the name of a variable"), remedy));
    }
    if value.contains('\0') {
        return Err(Reason::new(format!("the value of {name} has a zero byte"), "remove it"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

/// Words of a few, each once.
pub(super) fn choices(texts: &[&str], words: &[&'static str]) -> Result<Vec<String>, Reason> {
    if texts.is_empty() {
        return Err(Reason::new("it is empty", format!("name at least one of {}", words.join(", "))));
    }
    let mut chosen: Vec<String> = Vec::new();
    for text in texts {
        let word = choice(text, words).map_err(|r| Reason::new(format!("{text:?}: {}", r.why), r.remedy))?;
        if chosen.contains(&word) {
            return Err(Reason::new(format!("{word} is named twice"), "name each once"));
        }
        chosen.push(word);
    }
    Ok(chosen)
}

/// The budgets of reasons to hold, each as REASON=TIME.
pub(super) fn budgets<'a>(
    texts: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<HoldKind, Duration>, Reason> {
    let mut budgets = BTreeMap::new();
    for text in texts {
        let Some((kind, time)) = text.split_once('=') else {
            let remedy = "write each as REASON=TIME, such as source_down=10m, with blanks between them";
            return Err(Reason::new(format!("{text:?} has no '='"), remedy));
        };
        let (kind, time) = budget(kind, time)?;
        if budgets.insert(kind, time).is_some() {
            return Err(Reason::new(format!("{kind} is named twice"), "name each reason once"));
        }
    }
    Ok(budgets)
}

/// The budget of one reason to hold.
pub(in crate::settings) fn budget(kind: &str, text: &str) -> Result<(HoldKind, Duration), Reason> {
    const DAY: Duration = Duration::from_secs(86_400);
    let named = HoldKind::ALL.into_iter().find(|known| known.as_str() == kind);
    let Some(named) = named else {
        let known = || HoldKind::ALL.map(HoldKind::as_str);
        let remedy = match nearest(kind, known()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the reasons are {}", known().join(", ")),
        };
        return Err(Reason::new(format!("{kind:?} is no reason to hold"), remedy));
    };
    let read = time(text, Duration::ZERO, DAY, false, false);
    read.map(|time| (named, time)).map_err(|r| Reason::new(format!("{kind}: {}", r.why), r.remedy))
}
