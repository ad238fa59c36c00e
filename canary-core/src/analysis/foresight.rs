//! What a comparison will be able to see, told before the rollout from the traffic there was.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::compare::{Past, calibrated, compared};
use super::odds::{OddsPolicy, OddsSli, Prospect};
use crate::fleet::NodeId;
use crate::spec::Sli;
use crate::time::{millis, opt_millis};
use crate::traits::{CounterHistory, SliKind};

/// How many times as many events are asked about.
const TIMES: [f64; 2] = [2.0, 5.0];

/// The share of events that is asked about where there were none.
const NEW: f64 = 0.01;

/// The margin and the noise of a comparison that knows none: see [`super::odds`].
const UNCALIBRATED_MARGIN: f64 = 1.25;

/// What the comparison of one SLI can see with the traffic of the time before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Foresight {
    /// The SLI.
    pub sli: String,
    /// The bucket's bound in seconds beyond which a request counts; `None` where failed requests do.
    pub slower_than: Option<f64>,
    /// Requests a second of canary and baseline together.
    pub requests_per_second: f64,
    /// The canary's share of them, 0 to 1.
    pub canary_share: f64,
    /// The baseline's share of events, 0 to 1.
    pub baseline: f64,
    /// How many times the variance of independent requests the counts scattered with; `None` where the past is too short to
    /// tell.
    pub noise: Option<f64>,
    /// Why nothing is known of the noise, so that red only holds.
    pub uncalibrated: Option<String>,
    /// How long the canary is compared.
    #[serde(rename = "compared_ms", with = "millis")]
    pub compared: Duration,
    /// How soon a worse canary is red, the smaller trouble first.
    pub sights: Vec<Sight>,
}

/// How soon a canary of that much trouble is red.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sight {
    /// The canary's share of events, 0 to 1.
    pub canary: f64,
    /// About how long it takes; `None` for ever.
    #[serde(rename = "time_ms", with = "opt_millis")]
    pub time: Option<Duration>,
}

/// Says what the comparison of an SLI, one of `slis` that are compared, will see; `None` where it is not compared, or
/// canary or baseline had no requests at all.
#[must_use]
pub fn foresee(
    sli: &Sli,
    slis: usize,
    policy: &OddsPolicy,
    nodes: (&NodeId, &[NodeId]),
    history: &CounterHistory,
) -> Option<Foresight> {
    compared(sli)?;
    let (canary, baseline) = nodes;
    let past = Past::counted(history, canary, baseline);
    let (requests, share) = past.traffic()?;
    let (fixed, uncalibrated) = calibrated(sli, canary, baseline, &history.bounds, Ok(history));
    let table = leading(&fixed)?;
    let place =
        table.bound.map_or(Some(0), |bound| history.bounds.iter().position(|b| b.value() == bound))?;
    let before = past.slower(place);
    let noise = table.calibration.map(|calibration| calibration.phi);
    let margin = if noise.is_some() { fixed.margin } else { fixed.margin.max(UNCALIBRATED_MARGIN) };
    let offset = table.calibration.map_or(0.0, |calibration| calibration.ln_offset);
    let tables = u32::try_from(slis.saturating_mul(fixed.tables.len())).unwrap_or(u32::MAX);
    let sight = |worse: f64| {
        // Without any event before, half of one stands for what may still be.
        let least = 0.5 / past.requests().max(1) as f64;
        let prospect = Prospect {
            requests_per_second: requests,
            canary_share: share,
            baseline: before.clamp(least, 0.999),
            canary: worse,
            margin: margin * offset.exp(),
            phi: noise.unwrap_or(1.0),
            slis: tables,
        };
        Sight { canary: worse, time: prospect.detectability(policy).time }
    };
    let sights = match before > 0.0 {
        true => TIMES.map(|times| sight((before * times).min(0.9999))).to_vec(),
        false => vec![sight(NEW)],
    };
    Some(Foresight {
        sli: sli.name.clone(),
        slower_than: table.bound.filter(|_| matches!(sli.kind, SliKind::Quantile { .. })),
        requests_per_second: requests,
        canary_share: share,
        baseline: before,
        noise,
        uncalibrated,
        compared: policy.window,
        sights,
    })
}

/// The table to tell about: that of the objective, else the first that green needs.
fn leading(sli: &OddsSli) -> Option<&super::odds::OddsTable> {
    let objective = sli.tables.iter().find(|table| table.absolute.is_some());
    objective.or_else(|| sli.tables.iter().find(|table| table.for_green)).or_else(|| sli.tables.first())
}

impl Foresight {
    /// Whether even the worst trouble that is asked about would not be seen in time: inconclusive by traffic.
    #[must_use]
    pub fn blind(&self) -> bool {
        let seen = |sight: &Sight| sight.time.is_some_and(|time| time <= self.compared);
        !self.sights.iter().any(seen)
    }

    /// The trouble of a sight, in words.
    fn trouble(&self, sight: Sight) -> String {
        let what = match self.slower_than {
            None => "errors".to_owned(),
            Some(bound) => format!("requests slower than {bound} s"),
        };
        let times = sight.canary / self.baseline;
        match times.round() {
            2.0 => return format!("twice the {what}"),
            times if times < 10.0 => return format!("{times} times the {what}"),
            _ => {}
        }
        format!("{} of {what}", percent(sight.canary))
    }
}

impl fmt::Display for Foresight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sights.last() {
            Some(worst) if self.blind() => {
                write!(f, "inconclusive by traffic: even {} would take ", self.trouble(*worst))?;
                match worst.time {
                    Some(time) => write!(f, "about {}", show(time))?,
                    None => f.write_str("for ever")?,
                }
                write!(f, ", {} are compared", show(self.compared))?;
            }
            _ => {
                for (at, sight) in self.sights.iter().enumerate() {
                    let trouble = self.trouble(*sight);
                    let so_many = if at == 0 { trouble } else { format!(", {}", times(&trouble)) };
                    match sight.time.filter(|time| *time <= self.compared) {
                        Some(time) if at == 0 => write!(f, "{so_many} would be red in about {}", show(time))?,
                        Some(time) => write!(f, "{so_many} in {}", show(time))?,
                        None => write!(f, "{so_many} would not be red within the window")?,
                    }
                }
            }
        }
        let (requests, share) = (self.requests_per_second, percent(self.canary_share));
        write!(f, " ({} requests/s, {share} of them the canary's, ", number(requests))?;
        match self.slower_than {
            None => write!(f, "{} fail)", percent(self.baseline))?,
            Some(bound) => write!(f, "{} slower than {bound} s)", percent(self.baseline))?,
        }
        self.uncalibrated
            .as_ref()
            .map_or(Ok(()), |why| write!(f, "; red only holds, without their noise: {why}"))
    }
}

/// The same trouble told a second time: how many times as much.
fn times(trouble: &str) -> &str {
    trouble.split_once(" the ").map_or(trouble, |(times, _)| times)
}

fn number(value: f64) -> String {
    super::Number::new(value).map_or_else(|| value.to_string(), short)
}

/// Three significant digits.
fn short(number: super::Number) -> String {
    let value = number.value();
    let digits = if value >= 100.0 {
        0
    } else if value >= 10.0 {
        1
    } else {
        2
    };
    super::round(super::Number::new(format!("{value:.digits$}").parse().unwrap_or(value)).unwrap_or(number))
}

fn percent(part: f64) -> String {
    let percent = 100.0 * part;
    super::Number::new(percent)
        .map_or_else(String::new, |n| if percent < 0.1 { super::round(n) } else { short(n) })
        + " %"
}

/// A time with its two largest units.
fn show(time: Duration) -> String {
    let seconds = time.as_secs().max(1);
    let unit = match seconds {
        0..600 => 1,
        600..36_000 => 60,
        _ => 3600,
    };
    humantime::format_duration(Duration::from_secs(seconds.div_ceil(unit) * unit))
        .to_string()
        .replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Number, Ratio};
    use crate::fleet::MetricName;
    use crate::spec::{Bound, SliJudging};
    use crate::traits::NodeGrowth;

    fn node(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn errors() -> Sli {
        let name = |text: &str| MetricName::new(text).unwrap();
        Sli {
            name: "error_ratio".to_owned(),
            kind: SliKind::ErrorRatio { metric: name("requests_total"), status_label: name("status") },
            bound: Bound::Below(Number::new(0.005).unwrap()),
            min_requests: 1,
            judging: SliJudging::default(),
        }
    }

    /// Polls of a canary and two peers with as many requests each, every `fails`th of which fails.
    fn history(polls: u64, requests: u64, fails: u64) -> CounterHistory {
        let grown = |poll: u64| {
            let failed = ((poll + 1) * requests).checked_div(fails).unwrap_or(0)
                - (poll * requests).checked_div(fails).unwrap_or(0);
            vec![requests - failed, requests]
        };
        let node = |name: &str| NodeGrowth { node: node(name), steps: (0..polls).map(grown).collect() };
        CounterHistory {
            step: Duration::from_secs(30),
            bounds: Vec::new(),
            nodes: vec![node("a"), node("b"), node("c")],
            warnings: Vec::new(),
            queries: Vec::new(),
        }
    }

    fn told(history: &CounterHistory) -> Option<Foresight> {
        let policy = OddsPolicy::default();
        foresee(&errors(), 2, &policy, (&node("c"), &[node("a"), node("b")]), history)
    }

    #[test]
    fn what_can_be_seen_is_told_in_one_line() {
        let lines: Vec<_> = [
            history(720, 1200, 1000),
            history(720, 30, 1000),
            history(720, 1200, 0),
            history(30, 1200, 1000),
        ]
        .iter()
        .map(|history| told(history).unwrap().to_string())
        .collect();
        assert_eq!(
            lines,
            [
                "twice the errors would be red in about 21m, 5 times in 1m54s (120 requests/s, 33.3 % of them the \
                 canary's, 0.1 % fail)",
                "inconclusive by traffic: even 5 times the errors would take about 1h19m, 1h are compared (3 requests/s, \
                 33.3 % of them the canary's, 0.09722 % fail)",
                "1 % of errors would be red in about 20s (120 requests/s, 33.3 % of them the canary's, 0 % fail)",
                "twice the errors would be red in about 33m, 5 times in 2m17s (120 requests/s, 33.3 % of them the \
                 canary's, 0.1 % fail); red only holds, without their noise: error_ratio: 15m of history with traffic on \
                 canary and baseline, 30m are needed",
            ]
        );
    }

    #[test]
    fn without_requests_of_both_nothing_is_told() {
        assert_eq!(told(&history(720, 0, 0)), None);
        let mut alone = history(720, 1200, 0);
        alone.nodes.pop();
        assert_eq!(told(&alone), None);
    }

    #[test]
    fn the_objective_of_a_latency_is_what_is_told() {
        let sli = Sli {
            name: "p95".to_owned(),
            kind: SliKind::Quantile {
                metric: MetricName::new("seconds").unwrap(),
                quantile: Ratio::new(0.95).unwrap(),
            },
            bound: Bound::Below(Number::new(0.5).unwrap()),
            ..errors()
        };
        let grown = |node: &NodeId| NodeGrowth {
            node: node.clone(),
            // 60 % are faster than 0.1 s, 98 % than 0.5 s.
            steps: vec![vec![600, 980, 1000]; 720],
        };
        let nodes = [node("a"), node("b"), node("c")];
        let history = CounterHistory {
            bounds: [0.1, 0.5].map(|bound| Number::new(bound).unwrap()).into(),
            nodes: nodes.iter().map(grown).collect(),
            ..history(0, 0, 0)
        };
        let told = foresee(&sli, 2, &OddsPolicy::default(), (&nodes[2], &nodes[..2]), &history).unwrap();
        assert_eq!((told.slower_than, told.uncalibrated.as_deref()), (Some(0.5), None));
        assert_eq!(
            told.to_string(),
            "twice the requests slower than 0.5 s would be red in about 1m59s, 5 times in 8s (100 requests/s, 33.3 % of \
             them the canary's, 2 % slower than 0.5 s)"
        );
    }
}
