//! The map: objectives as rows, tenants as columns by name, each column's parts by how its tenants fare.
//!
//! Colour is never alone: each state has a pattern of its own, a part's height is its share, and every column that is not all kept
//! says in words what it holds. The same numbers stand in tables.

use super::decision::{Cell, State};
use super::grid::{Counts, Grid, Line};
use super::sections::{limit, mark};
use crate::html::Html;
use crate::text::cut;

/// The picture's own units; the page scales it.
const WIDTH: usize = 960;
/// The room of the objectives' names.
const NAMES: usize = 170;
const LEGEND: usize = 34;
/// The height of a row, and of one whose columns have several tenants.
const ROW: usize = 22;
const TALL: usize = 44;
const GAP: usize = 5;
/// The least height of a part: one tenant of fifty is still seen.
const LEAST: usize = 4;
/// A column at most, in tenths of a unit.
const WIDEST: usize = 240;
/// Characters of a foreign name at most.
const NAME: usize = 22;
/// Columns that have a name below them, at most.
const TICKS: usize = 5;
/// Tenants that are named where a column is looked at.
const NAMED: usize = 6;

/// Adds the map.
pub(super) fn map(html: &mut Html, grid: &Grid<'_>) {
    let per = grid.per_column();
    let columns: Vec<&[Line<'_>]> = grid.lines.chunks(per).collect();

    // Where there is one objective, the worst is that one.
    let rows: Vec<Option<usize>> = match grid.objectives.len() {
        1 => vec![Some(0)],
        many => std::iter::once(None).chain((0..many).map(Some)).collect(),
    };
    let tall = if per == 1 { ROW } else { TALL };
    let height = LEGEND + rows.len() * (tall + GAP) + 22;
    let place = Place::new(columns.len(), tall);
    let attributes = [
        ("class", "map"),
        ("viewBox", &*format!("0 0 {WIDTH} {height}")),
        ("role", "img"),
        ("aria-labelledby", "map-title map-desc"),
    ];
    html.tag("svg", &attributes, |html| {
        html.tag("title", &[("id", "map-title")], |html| {
            html.text("How every tenant fares by every objective");
        });
        html.tag("desc", &[("id", "map-desc")], |html| html.text(&described(grid, per)));
        patterns(html);
        legend(html, grid.counts(None));
        for (number, objective) in rows.iter().enumerate() {
            let top = LEGEND + number * (tall + GAP);
            let name = objective.map_or("worst of each", |at| grid.objectives[at]);
            text(html, NAMES - 10, top + tall / 2 + 4, "end", &cut(name, NAME));
            row(html, &columns, *objective, &place, top);
            html.line();
        }
        ticks(html, &columns, &place, height);
    });
}

/// Where columns stand, in tenths of a unit, and how tall they are.
struct Place {
    width: usize,
    gap: usize,
    tall: usize,
}

impl Place {
    fn new(columns: usize, tall: usize) -> Self {
        let width = ((WIDTH - NAMES) * 10 / columns.max(1)).min(WIDEST);
        Self { width, gap: (width / 8).max(4), tall }
    }

    const fn left(&self, column: usize) -> usize {
        NAMES * 10 + column * self.width
    }
}

/// What the picture shows, for who does not see it.
fn described(grid: &Grid<'_>, per: usize) -> String {
    let mut text = format!("{} tenants by name", grid.lines.len());
    if per > 1 {
        text.push_str(&format!(", {per} to a column"));
    }
    text.push_str(&format!(". By the worst objective of each: {}.", grid.counts(None).told()));
    for (at, name) in grid.objectives.iter().enumerate() {
        text.push_str(&format!(" {name}: {}.", grid.counts(Some(at)).told()));
    }
    text
}

/// Lines across, lines upright, a net; what is kept is plain.
fn patterns(html: &mut Html) {
    html.tag("defs", &[], |html| {
        for (state, size, lines) in [
            (State::Breach, "7", "M0 0L7 7M7 0L0 7"),
            (State::Above, "4", "M0 2H4"),
            (State::Unknown, "5", "M-1 1L1 -1M0 5L5 0M4 6L6 4"),
        ] {
            let attributes = [
                ("id", state.class()),
                ("width", size),
                ("height", size),
                ("patternUnits", "userSpaceOnUse"),
            ];
            html.tag("pattern", &attributes, |html| {
                let class = format!("{} ground", state.class());
                html.tag("rect", &[("class", &class), ("width", size), ("height", size)], |_| {});
                html.tag("path", &[("class", &format!("{} lines", state.class())), ("d", lines)], |_| {});
            });
        }
    });
}

fn legend(html: &mut Html, counts: Counts) {
    let mut left = NAMES;
    for (state, count) in State::ALL.into_iter().zip(counts.0) {
        let words = format!("{count} {}", state.as_str());
        part(html, state, &boxed(left * 10, 6, 160, 16));
        text(html, left + 22, 18, "start", &words);
        left += 44 + words.len() * 8;
    }
}

fn row(html: &mut Html, columns: &[&[Line<'_>]], objective: Option<usize>, place: &Place, top: usize) {
    let mut kept = String::new();
    for (number, lines) in columns.iter().enumerate() {
        let counts = Counts::of(lines, objective);
        let (left, width) = (place.left(number), place.width - place.gap);
        if counts.total() == 0 {
            continue;
        }
        if counts.there().all(|(state, _)| state == State::Kept) {
            kept.push_str(&boxed(left, top, width, place.tall));
            continue;
        }
        html.tag("g", &[], |html| {
            html.leaf("title", &said(lines, objective, counts));
            let mut bottom = top + place.tall;
            for (state, height) in counts.heights(place.tall, LEAST) {
                bottom -= height;
                part(html, state, &boxed(left, bottom, width, height));
            }
        });
    }
    if !kept.is_empty() {
        part(html, State::Kept, &kept);
    }
}

/// What a column holds, in words.
fn said(lines: &[Line<'_>], objective: Option<usize>, counts: Counts) -> String {
    if let [line] = lines {
        let name = cut(&line.tenant.name, NAME);
        return match objective.map_or_else(|| line.worst_cell(), |at| line.cells[at]) {
            Some(cell) => format!("{name}: {}", cell_told(cell)),
            None => format!("{name}: {}", counts.told()),
        };
    }
    let state = |line: &Line<'_>| objective.map_or_else(|| Some(line.worst()), |at| line.state(at));
    let bad = || lines.iter().filter(|line| state(line).is_some_and(|state| state != State::Kept));
    let names: Vec<_> = bad().take(NAMED).map(|line| cut(&line.tenant.name, NAME)).collect();
    let more = bad().count() - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}: {}", names.join(", "), counts.told())
}

fn cell_told(cell: &Cell) -> String {
    let observed = cell.observed.as_ref().map(|observed| format!(", {observed} of {}", limit(cell)));
    format!("{}{}", mark(cell), observed.unwrap_or_default())
}

/// The first tenant of some columns, and the last tenant of all.
fn ticks(html: &mut Html, columns: &[&[Line<'_>]], place: &Place, height: usize) {
    let end = place.left(columns.len()) / 10;
    let width = NAME * 7;
    let ticks = ((end - NAMES) / width).clamp(1, TICKS);
    let step = columns.len().div_ceil(ticks).max(1);
    for (number, lines) in columns.iter().enumerate().step_by(step) {
        let left = place.left(number) / 10;
        if let Some(first) = lines.first() {
            text(html, left, height - 6, "start", &cut(&first.tenant.name, NAME));
        }
    }
}

/// A box, for a path; left and width in tenths of a unit.
fn boxed(left: usize, top: usize, width: usize, height: usize) -> String {
    let (left, right) = (tenths(left), tenths(left + width));
    format!("M{left} {top}H{right}v{height}H{left}z")
}

fn tenths(value: usize) -> String {
    if value.is_multiple_of(10) { (value / 10).to_string() } else { format!("{}.{}", value / 10, value % 10) }
}

fn part(html: &mut Html, state: State, path: &str) {
    let fill = format!("url(#{})", state.class());
    let paint = if state == State::Kept { ("class", "kept ground") } else { ("fill", &*fill) };
    html.tag("path", &[paint, ("d", path)], |_| {});
}

fn text(html: &mut Html, left: usize, top: usize, anchor: &str, words: &str) {
    let (left, top) = (left.to_string(), top.to_string());
    html.tag("text", &[("x", &left), ("y", &top), ("text-anchor", anchor)], |html| html.text(words));
}
