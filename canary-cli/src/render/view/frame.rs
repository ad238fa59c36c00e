//! The view as lines, for one size of terminal.

use std::time::Duration;

use canary_core::analysis::odds::OddsVerdict;
use canary_core::analysis::{Compared, JudgedSli, SliVerdict, Verdict, round};
use canary_core::fleet::NodeId;
use canary_core::plan::{Action, Purpose, Step};
use canary_core::time::Timestamp;
use canary_core::traits::{AdminState, Operational};
use canary_report::words::meaning;

use super::{Glyphs, InHand, Stand, View};
use crate::render::paint::Paint;
use crate::render::row::{Row, Tone, columns};
use crate::render::terminal::Size;
use crate::render::words;

/// Lines are not longer than this: a long line is hard to read, and is broken in two when the terminal gets narrower.
const WIDEST: usize = 100;
/// A sparkline takes at most this many columns, and is left away below the other.
const SPARKLINE: (usize, usize) = (4, 40);

/// For whom lines are made.
struct Frame<'a> {
    now: Timestamp,
    width: usize,
    glyphs: &'a Glyphs,
}

impl View {
    /// The lines for a terminal of this size: at most two less than it has rows, and each shorter than a row.
    pub(in crate::render) fn rows(
        &self,
        now: Timestamp,
        size: Size,
        glyphs: &Glyphs,
        paint: Paint,
    ) -> Vec<String> {
        let room = size.height.saturating_sub(2);
        if self.ended() || room < 2 {
            return Vec::new();
        }
        let width = size.width.saturating_sub(1).min(WIDEST);
        let frame = Frame { now, width, glyphs };
        let rows = frame.body(self, room);
        rows.iter().map(|row| row.fit(width, glyphs.mark, paint)).collect()
    }
}

impl Frame<'_> {
    /// What matters most when there is little room: the wait, the title, the node in hand, the watch, the other nodes.
    fn body(&self, view: &View, room: usize) -> Vec<Row> {
        let mut left = room.saturating_sub(2);
        let mut take = |mut rows: Vec<Row>, all: bool| {
            if all && rows.len() > left {
                rows.clear();
            }
            rows.truncate(left);
            left -= rows.len();
            rows
        };
        let first = take(vec![Row::default()], false).len();
        let watch = take(self.watch(view), false);
        let slis = take(self.slis(view), true);
        let steps = take(self.steps(view).into_iter().collect(), true);
        let nodes = self.nodes(view, left + first);
        let title = std::iter::once(self.title(view));
        title.chain(nodes).chain(steps).chain(slis).chain(watch).chain([self.wait(view)]).collect()
    }

    /// `roll out 14258faa801d  step 8 of 14  12m 05s  in api_pool  /tmp/veza-v3`.
    fn title(&self, view: &View) -> Row {
        let plan = &view.plan;
        let what = match plan.purpose {
            Purpose::RollOut => "roll out",
            Purpose::RollBack => "roll back to",
        };
        let digest = plan.artifact.facts.sha256.short();
        let row = Row::default().with(Tone::Strong, &format!("{what} {digest}"));
        let row = if view.going_back() {
            row.with(Tone::Careful, "  going back")
        } else {
            let done = plan.steps.iter().filter(|step| view.is_done(step)).count();
            let step = (done + 1).min(plan.steps.len());
            row.with(Tone::Plain, &format!("  step {step} of {}", plan.steps.len()))
        };
        row.with(Tone::Plain, &format!("  {}", words::passing(self.now.since(view.started))))
            .with(Tone::Plain, &format!("  in {}", plan.spec.pool))
            .with(Tone::Quiet, &format!("  {}", plan.artifact.path.display()))
    }

    /// A line for each node; those that do not fit are counted, the node in hand and the failed ones last.
    fn nodes(&self, view: &View, room: usize) -> Vec<Row> {
        let all: Vec<_> =
            view.plan.nodes.iter().map(|planned| (&planned.node, view.stand(&planned.node))).collect();
        let mut order: Vec<usize> = (0..all.len()).collect();
        let shown = if all.len() <= room { all.len() } else { room.saturating_sub(1).max(room.min(1)) };
        order.sort_by_key(|at| all[*at].1.rank());
        let hidden = order.split_off(shown);
        order.sort_unstable();
        let names = order.iter().map(|at| columns(all[*at].0.as_str())).max().unwrap_or(0);
        let names = names.min(self.width / 2);
        let doings = order.iter().map(|at| columns(&all[*at].1.words())).max().unwrap_or(0);
        let balancers = order.iter().map(|at| columns(&balancer(view, all[*at].0).1)).max().unwrap_or(0);
        let row = |at: &usize| {
            let (node, stand) = all[*at];
            let (tone, glyph) = stand.glyph(self.glyphs);
            let row = Row::default().with(tone, &format!("  {glyph} "));
            let row = row.cell(Tone::Plain, node.as_str(), names, self.glyphs.mark);
            let row = row.cell(tone, &stand.words(), doings, self.glyphs.mark);
            let (tone, text) = balancer(view, node);
            let row = row.cell(tone, &text, balancers, "");
            match view.nodes.get(node).and_then(|seen| seen.binary) {
                None => row.with(Tone::Quiet, "nothing installed"),
                Some(digest) => row
                    .with(Tone::Plain, &digest.short())
                    .with(Tone::Quiet, meaning(digest, Some(&view.plan))),
            }
        };
        let mut rows: Vec<_> = order.iter().map(row).collect();
        if !hidden.is_empty() && rows.len() < room {
            rows.push(self.counted(hidden.iter().map(|at| all[*at].1)));
        }
        rows
    }

    /// `    … 41 more: 3 done, 38 to come`.
    fn counted(&self, stands: impl Iterator<Item = Stand>) -> Row {
        let mut kinds: Vec<(String, usize)> = Vec::new();
        let mut all = 0;
        for stand in stands {
            all += 1;
            let words = stand.words();
            match kinds.iter_mut().find(|(kind, _)| *kind == words) {
                Some((_, count)) => *count += 1,
                None => kinds.push((words, 1)),
            }
        }
        let kinds: Vec<_> = kinds.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        Row::default().with(Tone::Quiet, &format!("  {} {all} more: {}", self.glyphs.mark, kinds.join(", ")))
    }

    /// The steps of the node in hand, done and to come; where they do not fit, those at the ends are counted.
    fn steps(&self, view: &View) -> Option<Row> {
        let in_hand = view.in_hand.as_ref()?;
        let word = |step: &Step| match step.stage {
            0 => step.action.as_str().to_owned(),
            stage => format!("{} {stage}", step.action.as_str()),
        };
        let (done, ahead): (Vec<_>, Vec<_>) =
            (view.before.iter().map(word).collect(), view.after.iter().map(word).collect());
        let short = |words: &[String], what: &str| match words.len() {
            0 => Vec::new(),
            count => vec![format!("{count} {what}")],
        };
        let row = |done: &[String], ahead: &[String]| {
            let parts = done.iter().map(|word| (Tone::Good, self.glyphs.done, word.clone()));
            let parts = parts.chain([(Tone::Strong, self.glyphs.in_hand, word(&in_hand.step))]);
            let parts =
                parts.chain(ahead.iter().map(|word| (Tone::Quiet, self.glyphs.to_come, word.clone())));
            parts.fold(Row::default().with(Tone::Plain, "  "), |row, (tone, glyph, word)| {
                row.with(tone, &format!("{glyph} {word}")).with(Tone::Plain, "  ")
            })
        };
        let (few, more) = (short(&done, "done"), short(&ahead, "to come"));
        let rows = [row(&done, &ahead), row(&few, &ahead), row(&few, &more), row(&[], &[])];
        let fits = rows.iter().position(|row| row.columns() <= self.width + 2).unwrap_or(rows.len() - 1);
        rows.into_iter().nth(fits)
    }

    /// `  p95          0.012  < 0.5    ▁▁▂▁··▁▁`, for each SLI while it is watched.
    fn slis(&self, view: &View) -> Vec<Row> {
        let Some(policy) = view.plan.spec.watch.as_ref().filter(|_| view.probing()) else {
            return Vec::new();
        };
        let latest = view.latest.as_ref().map(|observation| observation.slis.as_slice()).unwrap_or_default();
        let values: Vec<_> = (0..policy.slis.len()).map(|at| value(latest.get(at))).collect();
        let besides: Vec<_> = (0..policy.slis.len()).map(|at| beside(latest.get(at))).collect();
        let bounds: Vec<_> = policy.slis.iter().map(|sli| sli.bound.to_string()).collect();
        let names = widest(policy.slis.iter().map(|sli| sli.name.as_str())).min(self.width / 3);
        let value_width = widest(values.iter().map(|(_, value)| value.as_str()));
        let bound_width = widest(bounds.iter().map(String::as_str));
        let beside_width = widest(besides.iter().map(String::as_str));
        let mark = self.glyphs.mark;
        let cells = policy.slis.iter().zip(&values).zip(&bounds).zip(&besides).zip(&view.tracks);
        cells
            .map(|((((sli, (tone, value)), bound), beside), track)| {
                let mut row = Row::default()
                    .with(Tone::Plain, "  ")
                    .cell(Tone::Plain, &sli.name, names, mark)
                    .cell(*tone, value, value_width, mark)
                    .cell(Tone::Plain, bound, bound_width, mark);
                if beside_width > 0 {
                    row = row.cell(Tone::Quiet, beside, beside_width, mark);
                }
                let room = self.width.saturating_sub(row.columns());
                if room >= SPARKLINE.0 {
                    track.sparkline(&mut row, room.min(SPARKLINE.1), self.glyphs);
                }
                row
            })
            .collect()
    }

    /// How far the watch is, and why it holds if it does.
    fn watch(&self, view: &View) -> Vec<Row> {
        let (Some(state), Some(policy), true) = (view.history.watch(), view.policy(), view.at(Action::Watch))
        else {
            return Vec::new();
        };
        let next = view.next_probe().map_or_else(String::new, |at| {
            let left = at.since(self.now);
            if left.is_zero() {
                "; asking now".to_owned()
            } else {
                format!("; next probe in {}", words::left(left))
            }
        });
        let text = format!(
            "  watched {} of {}, held {} of at most {}{next}",
            words::passing(state.covered),
            words::exact(policy.window),
            words::passing(state.held),
            words::exact(policy.hold_budget),
        );
        let mut rows = vec![Row::default().with(Tone::Plain, &text)];
        rows.extend(state.polls.last().map(compared));
        if let Some((Verdict::Hold, reason)) = &state.latest {
            rows.push(Row::default().with(Tone::Careful, &format!("  on hold: {reason}")));
        }
        rows
    }

    /// What is waited for, how long already, and how long at most.
    fn wait(&self, view: &View) -> Row {
        let Some(in_hand) = &view.in_hand else {
            return Row::default().with(Tone::Plain, "  reading back what is where");
        };
        let text = if view.at(Action::Watch) { self.window(view) } else { None };
        let text = text.unwrap_or_else(|| self.step(view, in_hand));
        Row::default().with(Tone::Plain, &format!("  {text}"))
    }

    fn window(&self, view: &View) -> Option<String> {
        let (state, policy) = (view.history.watch()?, view.policy()?);
        let left = policy.window.saturating_sub(state.covered);
        let at_most = left + policy.hold_budget.saturating_sub(state.held);
        Some(format!(
            "watch, {} so far: {} more, at most {} where data is missing",
            words::passing(self.now.since(state.started)),
            words::left(left),
            words::left(at_most),
        ))
    }

    fn step(&self, view: &View, in_hand: &InHand) -> String {
        let word = words::step(&in_hand.step);
        if let Some(wait) = &in_hand.wait {
            return format!(
                "{word}, {} of at most {}: waiting for {}; seen: {}",
                words::passing(wait.elapsed),
                words::exact(wait.limit),
                wait.waiting_for,
                wait.seen
            );
        }
        let begun = words::passing(self.now.since(in_hand.begun));
        let at_most = limit(view, in_hand.step.action)
            .map_or_else(|| " so far".to_owned(), |limit| format!(" of at most {}", words::exact(limit)));
        let sessions = in_hand.step.node.as_ref().and_then(|node| view.nodes.get(node)?.sessions);
        let seen = match (in_hand.step.action, sessions) {
            (Action::Drain, Some(sessions)) => format!(": {sessions} in progress"),
            (Action::Pause, _) => ": waiting for `promote` or `abort`".to_owned(),
            _ => String::new(),
        };
        format!("{word}, {begun}{at_most}{seen}")
    }
}

/// How long a step may wait.
const fn limit(view: &View, action: Action) -> Option<Duration> {
    let spec = &view.plan.spec;
    match action {
        Action::Drain => Some(spec.drain.timeout),
        Action::Restart | Action::CheckHealth => Some(spec.health.timeout),
        Action::Enable => Some(spec.enable.up_timeout),
        Action::ProveTraffic => Some(spec.enable.traffic_timeout),
        Action::Pause => Some(spec.pause.limit),
        Action::Stage | Action::Install | Action::Weigh | Action::Watch => None,
    }
}

/// The last reading of an SLI.
fn value(judged: Option<&JudgedSli>) -> (Tone, String) {
    let Some(judged) = judged else { return (Tone::Quiet, "-".to_owned()) };
    match (&judged.verdict, judged.value) {
        (SliVerdict::Red, Some(value)) => (Tone::Bad, round(value)),
        (SliVerdict::Green, Some(value)) => (Tone::Good, round(value)),
        _ => (Tone::Careful, "held".to_owned()),
    }
}

/// What stands beside the last reading of an SLI: `baseline 0.011`.
fn beside(judged: Option<&JudgedSli>) -> String {
    let all = judged.iter().flat_map(|judged| &judged.beside);
    all.map(|(whose, value)| format!("{whose} {}", round(*value))).collect::<Vec<_>>().join(", ")
}

/// `  compared with the baseline: evidence 12 % of what red takes`.
fn compared(poll: &Compared) -> Row {
    let part = poll.judgement.evidence.part();
    let tone = match &poll.judgement.verdict {
        OddsVerdict::Red => Tone::Bad,
        OddsVerdict::Green => Tone::Good,
        _ if poll.suspicious() => Tone::Careful,
        _ => Tone::Plain,
    };
    let text = format!("evidence {:.0} % of what red takes", (100.0 * part).floor());
    Row::default().with(Tone::Plain, "  compared with the baseline: ").with(tone, &text)
}

/// The columns of the widest of all.
fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(columns).max().unwrap_or(0)
}

/// What the balancer says of a node.
fn balancer(view: &View, node: &NodeId) -> (Tone, String) {
    let Some((admin, operational)) = view.nodes.get(node).and_then(|seen| seen.balancer) else {
        return (Tone::Quiet, "balancer ?".to_owned());
    };
    let tone = match (admin, operational) {
        (_, Operational::Down) => Tone::Bad,
        (AdminState::Ready, Operational::Up) => Tone::Plain,
        _ => Tone::Careful,
    };
    (tone, format!("{admin}, {operational}"))
}

impl Stand {
    /// What is shown first when not all fit.
    const fn rank(self) -> u8 {
        match self {
            Self::InHand(..) => 0,
            Self::Failed(..) => 1,
            Self::ToCome | Self::Untouched => 2,
            Self::Back => 3,
            Self::Done => 4,
            Self::Nothing => 5,
        }
    }

    fn words(self) -> String {
        match self {
            Self::ToCome => "to come".to_owned(),
            Self::Untouched => "untouched".to_owned(),
            Self::InHand(action, direction) => words::action(action, direction),
            Self::Done => "done".to_owned(),
            Self::Back => "taken back".to_owned(),
            Self::Failed(action, direction) => format!("failed: {}", words::action(action, direction)),
            Self::Nothing => "has it".to_owned(),
        }
    }

    const fn glyph(self, glyphs: &Glyphs) -> (Tone, char) {
        match self {
            Self::ToCome | Self::Untouched => (Tone::Quiet, glyphs.to_come),
            Self::InHand(..) => (Tone::Strong, glyphs.in_hand),
            Self::Done | Self::Nothing => (Tone::Good, glyphs.done),
            Self::Back => (Tone::Careful, glyphs.back),
            Self::Failed(..) => (Tone::Bad, glyphs.failed),
        }
    }
}
