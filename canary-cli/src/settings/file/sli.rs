//! The file's `[[sli]]` entries: the operator's own indicators.

use canary_core::analysis::{Number, Ratio, Role};
use canary_core::fleet::MetricName;
use canary_core::spec::{Bound, SliJudging, WatchSubject};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Source, convert, in_order};
use crate::error::Problem;
use crate::settings::origin::Origin;
use crate::settings::raw::{Gathered, quoted};
use crate::settings::suggest::nearest;

/// One `[[sli]]` that was read.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct WrittenSli {
    pub(crate) name: String,
    /// What is measured, with its bound; `None` for one of [`BUILT_IN`], of which only the judging is said.
    pub(crate) own: Option<(Measured, Bound)>,
    pub(crate) judging: SliJudging,
    /// Where it was written.
    pub(crate) origin: Origin,
}

/// What an indicator measures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Measured {
    Expression(String),
    Latency { metric: MetricName, quantile: Ratio },
    Errors { metric: MetricName, status_label: Option<MetricName> },
}

/// The indicators that are there without being written.
pub(in crate::settings) const BUILT_IN: [&str; 2] = ["p95", "error_ratio"];

const KEYS: [&str; 13] = [
    "name",
    "promql",
    "latency_metric",
    "quantile",
    "requests_metric",
    "status_label",
    "below",
    "above",
    "role",
    "weight",
    "margin",
    "rules_out",
    "subject",
];

/// The keys that say what a built-in indicator measures elsewhere.
const MEASURED: [&str; 7] =
    ["promql", "latency_metric", "quantile", "requests_metric", "status_label", "below", "above"];

const EXAMPLE: &str = "write name, promql, and below or above under [[sli]]";

pub(super) fn read(source: &Source<'_>, value: &Spanned<DeValue<'_>>, gathered: &mut Gathered) {
    let DeValue::Array(entries) = value.get_ref() else {
        let place = source.origin(value.span().start);
        let hint = "write [[sli]] in double brackets, once for each indicator";
        gathered.problems.push(Problem::new(format!("{place}: sli is a list of indicators"), hint));
        return;
    };
    for entry in entries {
        let place = source.origin(entry.span().start);
        let DeValue::Table(table) = entry.get_ref() else {
            gathered.problems.push(Problem::new(format!("{place}: an sli is a table"), EXAMPLE));
            continue;
        };
        let before = gathered.problems.len();
        let sli = Entry { source, place: &place, table, problems: &mut gathered.problems }.read();
        if let (Some(sli), true) = (sli, gathered.problems.len() == before) {
            if gathered.slis.iter().any(|other| other.name == sli.name) {
                let message = format!("{place}: two indicators are called {}", quoted(&sli.name));
                gathered.problems.push(Problem::new(message, "rename one"));
            }
            gathered.slis.push(sli);
        }
    }
}

/// One `[[sli]]` that is being read.
struct Entry<'a, 'i> {
    source: &'a Source<'a>,
    place: &'a Origin,
    table: &'a DeTable<'i>,
    problems: &'a mut Vec<Problem>,
}

impl Entry<'_, '_> {
    fn read(&mut self) -> Option<WrittenSli> {
        self.unknown_keys();
        let name = self.text("name");
        if name.is_none() && !self.has("name") {
            self.refuse("the indicator has no name", EXAMPLE);
        }
        if name.as_ref().is_some_and(|name| BUILT_IN.contains(&name.as_str())) {
            return self.built_in(name?);
        }
        if let Some(name) = name.as_ref().filter(|name| !plain(name)) {
            let message = format!("sli.name = {}: the name cannot be used", quoted(name));
            self.refuse(&message, "use up to 63 letters, digits, '-', '_' and '.'");
        }
        let measured = self.measured();
        let bound = self.bound();
        let usual = match (&measured, bound) {
            (Some(Measured::Latency { .. }), Some(Bound::Below(_))) => Some(1.25),
            (Some(Measured::Errors { .. }), Some(Bound::Below(_))) => Some(1.1),
            _ => None,
        };
        let judging = self.judging(usual, measured.is_some() && bound.is_some());
        Some(WrittenSli { name: name?, own: Some((measured?, bound?)), judging, origin: self.place.clone() })
    }

    /// What a built-in indicator is to the judges.
    fn built_in(&mut self, name: String) -> Option<WrittenSli> {
        if let Some(key) = MEASURED.into_iter().find(|key| self.has(key)) {
            let message = format!("sli.{key}: the name {name} is that of a built-in indicator");
            let hint = "rename yours; what the built-in ones measure stands in [watch] and [prometheus], here only role, \
                        weight, margin, rules_out and subject";
            self.refuse(&message, hint);
            return None;
        }
        let usual = if name == "p95" { 1.25 } else { 1.1 };
        let judging = self.judging(Some(usual), true);
        Some(WrittenSli { name, own: None, judging, origin: self.place.clone() })
    }

    fn measured(&mut self) -> Option<Measured> {
        let named: Vec<_> =
            ["promql", "latency_metric", "requests_metric"].into_iter().filter(|key| self.has(key)).collect();
        let [one] = named.as_slice() else {
            let (why, hint) = match named.as_slice() {
                [] => ("the indicator has no promql".to_owned(), EXAMPLE),
                several => (format!("the indicator has {}", several.join(" and ")), "write one of them"),
            };
            self.refuse(&why, hint);
            return None;
        };
        for (key, of) in [("quantile", "latency_metric"), ("status_label", "requests_metric")] {
            if self.has(key) && *one != of {
                self.refuse(&format!("sli.{key} belongs to {of}"), format!("remove it, or write {of}"));
            }
        }
        match *one {
            "promql" => self.text("promql").map(Measured::Expression),
            "latency_metric" => {
                let hint = "write a number between 0 and 1, such as 0.99, without quotes";
                let quantile = self.take("quantile", "a number between 0 and 1", hint, |value| {
                    let quantile = Ratio::new(number(value)?.value())?;
                    (quantile.value() > 0.0 && quantile.value() < 1.0).then_some(quantile)
                });
                if !self.has("quantile") {
                    self.refuse("the indicator has no quantile", "write quantile = 0.99, or another");
                }
                let metric = self.metric("latency_metric");
                Some(Measured::Latency { metric: metric?, quantile: quantile? })
            }
            _ => {
                let status_label = self.metric("status_label");
                Some(Measured::Errors { metric: self.metric("requests_metric")?, status_label })
            }
        }
    }

    fn bound(&mut self) -> Option<Bound> {
        let hint = "write a number such as 0.5, without quotes";
        let below = self.take("below", "a finite number", hint, number);
        let above = self.take("above", "a finite number", hint, number);
        match (below, above) {
            (Some(below), None) => Some(Bound::Below(below)),
            (None, Some(above)) => Some(Bound::Above(above)),
            (Some(_), Some(_)) => {
                self.refuse("the indicator has two bounds", "write below or above, not both");
                None
            }
            (None, None) => {
                if !self.has("below") && !self.has("above") {
                    self.refuse("the indicator has no bound", "write below = NUMBER or above = NUMBER");
                }
                None
            }
        }
    }

    /// What it is to the judges. `usual` is the margin it has otherwise; nothing where it cannot be compared, which is only
    /// told when it is `known` what it measures.
    fn judging(&mut self, usual: Option<f64>, known: bool) -> SliJudging {
        let word = |value: &DeValue<'_>| match value {
            DeValue::String(text) => Some(text.to_string()),
            _ => None,
        };
        let role =
            self.take("role", "\"critical\" or \"advisory\"", "leave it away for one of weight", |value| {
                match word(value)?.as_str() {
                    "critical" => Some(Role::Critical),
                    "advisory" => Some(Role::Advisory),
                    _ => None,
                }
            });
        let weight = self.take("weight", "a whole number from 1 to 1000", "write such as 2", |value| {
            let whole = number(value)?.value();
            (matches!(value, DeValue::Integer(_)) && (1.0..=1000.0).contains(&whole)).then_some(whole as u32)
        });
        if self.has("role") && self.has("weight") {
            self.refuse(
                "the indicator has a role and a weight",
                "write one of them; only without a role it counts by weight",
            );
        }
        let subject =
            self.take("subject", "\"pool\" or \"canary\"", "leave it away for watch.subject", |value| {
                match word(value)?.as_str() {
                    "pool" => Some(WatchSubject::Pool),
                    "canary" => Some(WatchSubject::Canary),
                    _ => None,
                }
            });
        let ratio = |least: f64| {
            move |value: &DeValue<'_>| number(value).filter(|n| (least..=1000.0).contains(&n.value()))
        };
        let hint = "write an odds ratio, such as 1.2, without quotes";
        let margin = self.take("margin", "a number from 1 to 1000", hint, ratio(1.0));
        let rules_out = self.take("rules_out", "a number from 1 to 1000", hint, ratio(1.0));
        if known && usual.is_none() && (self.has("margin") || self.has("rules_out")) {
            let hint = "remove them; latency_metric and requests_metric are compared where they have an upper bound (below)";
            self.refuse(
                "the indicator has a margin or rules_out, but cannot be compared with the baseline",
                hint,
            );
        }
        let least = margin.map(Number::value).or(usual).unwrap_or(1.0);
        if let Some(out) = rules_out.filter(|out| out.value() <= least) {
            self.refuse(
                &format!("sli.rules_out = {out}: it is not above the margin, {least}"),
                "write a larger one, or a smaller margin",
            );
        }
        let role = role.or_else(|| weight.map(Role::Weighted)).unwrap_or(Role::Weighted(1));
        SliJudging { role, subject, margin, rules_out }
    }

    fn unknown_keys(&mut self) {
        for (key, _) in in_order(self.table) {
            let name = key.get_ref().as_ref();
            if !KEYS.contains(&name) {
                let hint = nearest(name, KEYS)
                    .map_or_else(|| EXAMPLE.to_owned(), |near| format!("did you mean {near}?"));
                let at = self.source.origin(key.span().start);
                self.problems.push(Problem::new(format!("{at}: sli.{name}: there is no such setting"), hint));
            }
        }
    }

    fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    fn refuse(&mut self, why: &str, hint: impl Into<String>) {
        self.problems.push(Problem::new(format!("{}: {why}", self.place), hint));
    }

    /// A value of the entry, where it is there and can be read.
    fn take<T>(
        &mut self,
        key: &str,
        must: &str,
        hint: &str,
        read: impl FnOnce(&DeValue<'_>) -> Option<T>,
    ) -> Option<T> {
        let value = self.table.get(key)?;
        let found = read(value.get_ref());
        if found.is_none() {
            let at = self.source.origin(value.span().start);
            let shown = convert::excerpt(self.source, value);
            self.problems.push(Problem::new(format!("{at}: sli.{key} = {shown}: it must be {must}"), hint));
        }
        found
    }

    fn text(&mut self, key: &str) -> Option<String> {
        self.take(key, "a text", "write 1 to 4096 bytes in quotes", |value| match value {
            DeValue::String(text) if !text.trim().is_empty() && text.len() <= 4096 => {
                Some(text.trim().to_owned())
            }
            _ => None,
        })
    }

    fn metric(&mut self, key: &str) -> Option<MetricName> {
        let hint = "write a name as Prometheus has it, such as http_requests_total";
        self.take(key, "the name of a metric or label", hint, |value| match value {
            DeValue::String(text) => MetricName::new(text.as_ref()).ok(),
            _ => None,
        })
    }
}

fn plain(name: &str) -> bool {
    name.len() <= 63 && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn number(value: &DeValue<'_>) -> Option<Number> {
    match value {
        DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .and_then(|number| number.to_string().parse::<Number>().ok()),
        DeValue::Float(float) => float.as_str().parse::<Number>().ok(),
        _ => None,
    }
}
