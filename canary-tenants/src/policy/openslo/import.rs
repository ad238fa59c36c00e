//! In: SLOs, SLIs and data sources become one policy.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::promql::{self, Query};
use super::{API, Converted, KIND, Note, ORG_ID, note, quoted};
use crate::policy::amount::{ONE, Unit};
use crate::policy::place::{PolicyError, Problem};
use crate::policy::selector::{Operator, Selector};
use crate::policy::tree::{self, Kind, Node};

/// What stands for a data source where no document has one.
const SOMEWHERE: &str = "http://prometheus:9090";

/// Makes a policy of documents; `file` is how messages name them.
///
/// # Errors
/// What is no YAML, of another version of the format, or asked of a Datadog: its queries have no counterpart in PromQL, which an objective needs.
pub fn import(text: &str, file: &str) -> Result<Converted, PolicyError> {
    let failed = |problem| PolicyError { file: file.to_owned(), problems: vec![problem] };
    let mut documents = tree::documents(text).map_err(failed)?;
    // Two markers in a row, as between files.
    documents.retain(|document| !document.is_null());
    let datadogs: Vec<_> = documents.iter().flat_map(datadogs).collect();
    if !datadogs.is_empty() {
        return Err(PolicyError { file: file.to_owned(), problems: datadogs });
    }
    let mut import = Import::default();
    for document in &documents {
        let api = document.get("apiVersion");
        if api.and_then(Node::text) != Some(API) {
            let found = api.map_or_else(|| "nothing".to_owned(), Node::described);
            let message = format!("apiVersion is {found}, which is not read");
            return Err(failed(Problem::new(document.at, message, format!("convert it to {API} first"))));
        }
        import.define(document);
    }
    for document in &documents {
        if word(document, &["kind"]) == Some("SLO") {
            import.slo(document);
        }
    }
    Ok(import.written())
}

/// What of a document is asked of a Datadog.
fn datadogs(document: &Node<'_>) -> Vec<Problem> {
    let kind = word(document, &["kind"]).unwrap_or("document");
    let name = word(document, &["metadata", "name"]).unwrap_or("unnamed");
    let (mut problems, mut nodes) = (Vec::new(), vec![document]);
    while let Some(node) = nodes.pop() {
        match &node.kind {
            Kind::List(items) => nodes.extend(items),
            Kind::Map(pairs) => nodes.extend(pairs.iter().map(|pair| &pair.value)),
            Kind::Scalar { .. } => {}
        }
        let kind_of =
            node.get("type").filter(|it| it.text().is_some_and(|text| text.eq_ignore_ascii_case("datadog")));
        if let Some(it) = kind_of {
            let message = format!("{kind} {name} is asked of a Datadog, whose queries are not converted");
            let remedy = "take it out, import the rest, and write the objective's `datadog: {…}` by hand";
            problems.push(Problem::new(it.at, message, remedy));
        }
    }
    problems.sort_by_key(|problem| problem.at);
    problems
}

/// What is measured, in the words of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Measured {
    Quantile(u64, Selector),
    Ratio(&'static str, Selector, Selector),
    Value(Selector),
}

#[derive(Debug)]
struct Objective {
    measured: Measured,
    limit: Option<u64>,
    tenants: BTreeMap<String, u64>,
}

#[derive(Default)]
struct Import<'n, 't> {
    indicators: BTreeMap<&'n str, &'n Node<'t>>,
    /// Where each is, and what of it a policy says besides.
    sources: BTreeMap<&'n str, (&'n str, String)>,
    label: Option<String>,
    objectives: BTreeMap<String, Objective>,
    notes: Vec<Note>,
}

/// The text at the end of a path of keys.
fn word<'n>(node: &'n Node<'_>, path: &[&str]) -> Option<&'n str> {
    at(node, path)?.text()
}

fn at<'n, 't>(node: &'n Node<'t>, path: &[&str]) -> Option<&'n Node<'t>> {
    path.iter().try_fold(node, |node, key| node.get(key))
}

impl<'n, 't> Import<'n, 't> {
    /// Remembers what SLOs refer to, and names what is not read.
    fn define(&mut self, document: &'n Node<'t>) {
        let kind = word(document, &["kind"]).unwrap_or_default();
        let name = word(document, &["metadata", "name"]).unwrap_or_default();
        let about = format!("{kind} {name}");
        match kind {
            "SLO" => {}
            "SLI" => {
                if let Some(spec) = document.get("spec") {
                    self.indicators.insert(name, spec);
                }
            }
            "DataSource" => match word(document, &["spec", "type"]).unwrap_or_default() {
                kind if kind.eq_ignore_ascii_case("prometheus") => {
                    self.source(name, about, document);
                }
                other => note(
                    &mut self.notes,
                    about,
                    format!("ignored: sources of type {other:?} are not imported"),
                ),
            },
            _ => note(&mut self.notes, about, "ignored: only SLO, SLI and DataSource have a counterpart"),
        }
    }

    fn source(&mut self, name: &'n str, about: String, document: &'n Node<'t>) {
        let detail = |key| word(document, &["spec", "connectionDetails", key]);
        let Some(url) = detail("url").or_else(|| detail("address")) else {
            return note(&mut self.notes, about, "ignored: its connectionDetails have no url");
        };
        let kind = match (detail(KIND).unwrap_or("prometheus"), detail(ORG_ID)) {
            (kind @ ("prometheus" | "thanos"), None) => kind.to_owned(),
            ("mimir", Some(org_id)) => format!("mimir, org_id: {}", quoted(org_id)),
            (other, org_id) => {
                let with = if org_id.is_some() { "with" } else { "without" };
                let why = format!("read as a Prometheus: there is no kind {other:?} {with} {ORG_ID}");
                note(&mut self.notes, about, why);
                "prometheus".to_owned()
            }
        };
        self.sources.insert(name, (url, kind));
    }

    fn slo(&mut self, slo: &'n Node<'t>) {
        let name = word(slo, &["metadata", "name"]).unwrap_or("unnamed");
        let about = format!("SLO {name}");
        for (key, why) in [
            ("timeWindow", "ignored: windows are the policy's"),
            ("alertPolicies", "ignored: a policy decides about releases and alerts nobody"),
        ] {
            if at(slo, &["spec", key])
                .is_some_and(|node| !matches!(&node.kind, Kind::List(items) if items.is_empty()))
            {
                note(&mut self.notes, about.clone(), format!("{key}: {why}"));
            }
        }
        if let Some(method) = word(slo, &["spec", "budgetingMethod"])
            && method != "Occurrences"
        {
            note(
                &mut self.notes,
                about.clone(),
                format!("budgetingMethod {method}: ignored, events are counted"),
            );
        }
        let Some(indicator) = self.indicator(slo) else {
            return note(&mut self.notes, about, "ignored: its indicator is not there");
        };
        let Some(Kind::List(objectives)) = at(slo, &["spec", "objectives"]).map(|node| &node.kind) else {
            return note(&mut self.notes, about, "ignored: it has no objectives");
        };
        let tenant = word(slo, &["metadata", "labels", "tenant"]);
        let own = word(slo, &["metadata", "labels", "objective"]).unwrap_or(name);
        for (i, objective) in objectives.iter().enumerate() {
            let name = if objectives.len() == 1 { own.to_owned() } else { format!("{own}-{}", i + 1) };
            match bounded(indicator, objective) {
                Ok((measured, limit)) => self.keep(name, measured, limit, tenant, &about),
                Err(why) => note(&mut self.notes, about.clone(), format!("ignored: {why}")),
            }
        }
    }

    fn indicator(&self, slo: &'n Node<'t>) -> Option<&'n Node<'t>> {
        if let Some(spec) = at(slo, &["spec", "indicator", "spec"]) {
            return Some(spec);
        }
        self.indicators.get(word(slo, &["spec", "indicatorRef"])?).copied()
    }

    fn keep(&mut self, name: String, mut measured: Measured, limit: u64, tenant: Option<&str>, about: &str) {
        if let Some(tenant) = tenant
            && let Some(label) = without(&mut measured, tenant)
        {
            self.label.get_or_insert(label);
        }
        let fresh = Objective { measured: measured.clone(), limit: None, tenants: BTreeMap::new() };
        let objective = self.objectives.entry(name.clone()).or_insert(fresh);
        if objective.measured != measured {
            return note(
                &mut self.notes,
                about,
                format!("ignored: the objective {name} measures something else elsewhere"),
            );
        }
        let twice = match tenant {
            Some(tenant) => objective.tenants.insert(tenant.to_owned(), limit).is_some(),
            None => objective.limit.replace(limit).is_some(),
        };
        if twice {
            note(&mut self.notes, about, format!("the objective {name} is there twice; the last counts"));
        }
    }

    fn written(mut self) -> Converted {
        let mut text = "version: sla/v1\n".to_owned();
        if let Some(label) = self.label.as_ref().filter(|label| *label != "tenant") {
            // proof: writing to a String cannot fail, here and below, so the result says nothing.
            let _ = writeln!(text, "tenant_label: {label}");
        }
        if self.sources.is_empty() {
            note(&mut self.notes, "sources", format!("no DataSource has a url; {SOMEWHERE} is assumed"));
            self.sources.insert("prometheus", (SOMEWHERE, "prometheus".to_owned()));
        }
        text.push_str("sources:\n");
        for (name, (url, kind)) in &self.sources {
            let _ = writeln!(text, "  - {{name: {}, kind: {kind}, url: {}}}", quoted(name), quoted(url));
        }
        text.push_str("objectives:\n");
        let mut tenants: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, objective) in &self.objectives {
            // What every tenant has at least: a policy's tenants only tighten it.
            let loosest = objective.tenants.values().copied().max();
            let limit = objective.limit.or(loosest).unwrap_or(ONE);
            let _ = writeln!(text, "  {}: {}", quoted(name), measured(&objective.measured, limit));
            for (tenant, own) in &objective.tenants {
                let overrides = tenants.entry(tenant.clone()).or_default();
                if *own > limit {
                    let what =
                        format!("its {name} is looser than everyone's; add it with `reason` and `until`");
                    note(&mut self.notes, format!("tenant {tenant}"), what);
                } else if *own < limit {
                    overrides.push(format!("{}: {}", quoted(name), bound(&objective.measured, *own)));
                }
            }
        }
        text.push_str(if tenants.is_empty() { "tenants: {}\n" } else { "tenants:\n" });
        for (tenant, overrides) in tenants {
            let own = if overrides.is_empty() {
                String::new()
            } else {
                format!("objectives: {{{}}}", overrides.join(", "))
            };
            let _ = writeln!(text, "  {}: {{{own}}}", quoted(&tenant));
        }
        self.notes.sort();
        Converted { text, notes: self.notes }
    }
}

fn bound(measured: &Measured, limit: u64) -> String {
    match measured {
        Measured::Quantile(..) => Unit::Micros.show(limit),
        Measured::Ratio(..) | Measured::Value(_) => quoted(&Unit::Ppm.show(limit)),
    }
}

fn measured(measured: &Measured, limit: u64) -> String {
    let limit = bound(measured, limit);
    let text = |selector: &Selector| quoted(&selector.to_string());
    match measured {
        Measured::Quantile(q, histogram) => {
            let q = quoted(&Unit::Ppm.show(*q));
            format!("{{kind: quantile, q: {q}, histogram: {}, limit: {limit}}}", text(histogram))
        }
        Measured::Ratio(word, part, total) => {
            format!("{{kind: ratio, {word}: {}, total: {}, limit: {limit}}}", text(part), text(total))
        }
        Measured::Value(metric) => format!("{{kind: value, metric: {}, limit: {limit}}}", text(metric)),
    }
}

/// What an indicator measures and what an objective allows of it.
fn bounded(indicator: &Node<'_>, objective: &Node<'_>) -> Result<(Measured, u64), String> {
    if objective.get("compositeWeight").is_some() || objective.get("indicator").is_some() {
        return Err("composite objectives have no counterpart".to_owned());
    }
    if let Some(ratio) = indicator.get("ratioMetric") {
        let total = series(ratio.get("total"), "total")?;
        let (word, part) = ["bad", "good"]
            .into_iter()
            .find_map(|word| ratio.get(word).map(|node| (word, node)))
            .ok_or("raw ratios have no counterpart")?;
        let part = series(Some(part), word)?;
        let limit = ONE - target(objective)?;
        return if limit == 0 {
            Err("its target leaves nothing that may fail".to_owned())
        } else {
            Ok((Measured::Ratio(word, part, total), limit))
        };
    }
    let threshold = indicator.get("thresholdMetric").ok_or("it is neither a ratio nor a threshold")?;
    match word(objective, &["op"]) {
        Some("lt" | "lte") => {}
        other => {
            return Err(format!("op {}: only upper bounds have a counterpart", other.unwrap_or("(none)")));
        }
    }
    let value = objective.get("value").and_then(Node::text).unwrap_or_default();
    // Seconds in microseconds and numbers in ppm are read alike.
    let limit = Unit::Ppm.parse(value).ok().filter(|limit| *limit > 0);
    let limit = limit.ok_or_else(|| format!("its value {value:?} is no number with at most six decimals"))?;
    Ok((
        match query(Some(threshold), "thresholdMetric")? {
            Query::Quantile(q, histogram) => Measured::Quantile(q, histogram),
            Query::Series(metric) => Measured::Value(metric),
        },
        limit,
    ))
}

fn target(objective: &Node<'_>) -> Result<u64, String> {
    let (text, share) = match (word(objective, &["target"]), word(objective, &["targetPercent"])) {
        (Some(target), None) => (target, Unit::Ppm.parse(target)),
        (None, Some(percent)) => (percent, Unit::Ppm.parse(&format!("{percent}%"))),
        _ => return Err("it has not one of target and targetPercent".to_owned()),
    };
    share
        .ok()
        .filter(|share| *share <= ONE)
        .ok_or_else(|| format!("its target {text:?} is finer than a millionth, or no share"))
}

fn query(node: Option<&Node<'_>>, what: &str) -> Result<Query, String> {
    let source = node
        .and_then(|node| node.get("metricSource"))
        .ok_or_else(|| format!("{what} has no metricSource"))?;
    if let Some(other) = word(source, &["type"]).filter(|kind| !kind.eq_ignore_ascii_case("prometheus")) {
        return Err(format!("the metricSource of {what} is of type {other:?}"));
    }
    let text = word(source, &["spec", "query"]).ok_or_else(|| format!("{what} has no spec.query"))?;
    promql::read(text)
        .ok_or_else(|| format!("the query of {what} is more than functions around one selector: {text}"))
}

fn series(node: Option<&Node<'_>>, what: &str) -> Result<Selector, String> {
    match query(node, what)? {
        Query::Series(selector) => Ok(selector),
        Query::Quantile(..) => Err(format!("the query of {what} is a quantile")),
    }
}

/// Takes the matcher for this tenant out; gives the label it was on.
fn without(measured: &mut Measured, tenant: &str) -> Option<String> {
    let mut label = None;
    let mut strip = |selector: &mut Selector| {
        selector.matchers.retain(|matcher| {
            let own = matcher.operator == Operator::Equal && matcher.value == tenant;
            if own {
                label = Some(matcher.label.clone());
            }
            !own
        });
    };
    match measured {
        Measured::Quantile(_, selector) | Measured::Value(selector) => strip(selector),
        Measured::Ratio(_, part, total) => {
            strip(part);
            strip(total);
        }
    }
    label
}
