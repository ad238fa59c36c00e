//! Tenants by objectives, in the order of their names, several to a column where they are many.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::decision::{Cell, State, Tenant};

/// Columns at most.
const COLUMNS: usize = 200;

/// The tenants as rows of states.
pub(super) struct Grid<'a> {
    /// The objectives' names, sorted.
    pub(super) objectives: Vec<&'a str>,
    /// The tenants, by name.
    pub(super) lines: Vec<Line<'a>>,
}

/// One tenant.
pub(super) struct Line<'a> {
    pub(super) tenant: &'a Tenant,
    /// The worst result of each objective, over its sources; `None` where there is no such promise.
    pub(super) cells: Vec<Option<&'a Cell>>,
}

/// How many tenants fare how, in the order of [`State::ALL`].
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts(pub(super) [usize; 4]);

impl<'a> Line<'a> {
    /// How the tenant fares by one objective; `None` without such a promise.
    pub(super) fn state(&self, objective: usize) -> Option<State> {
        self.cells.get(objective).copied().flatten().map(Cell::state)
    }

    /// How it fares by its worst one.
    pub(super) fn worst(&self) -> State {
        // A tenant of which there is no result at all is unknown.
        self.worst_cell().map_or(State::Unknown, Cell::state)
    }

    /// Its worst one; `None` when nothing is known at all.
    pub(super) fn worst_cell(&self) -> Option<&'a Cell> {
        self.cells.iter().flatten().copied().max_by_key(|cell| badness(cell))
    }
}

impl<'a> Grid<'a> {
    pub(super) fn of(tenants: &'a [Tenant]) -> Self {
        let objectives: BTreeSet<&str> =
            tenants.iter().flat_map(|tenant| &tenant.results).map(|cell| cell.objective.as_str()).collect();
        let objectives: Vec<_> = objectives.into_iter().collect();
        let mut lines: Vec<_> = tenants.iter().map(|tenant| line(tenant, &objectives)).collect();
        lines.sort_by(|a, b| a.tenant.name.cmp(&b.tenant.name));
        Self { objectives, lines }
    }

    /// How many tenants stand in one column.
    pub(super) fn per_column(&self) -> usize {
        self.lines.len().div_ceil(COLUMNS).max(1)
    }

    /// How all tenants fare by one objective; by their worst one for `None`.
    pub(super) fn counts(&self, objective: Option<usize>) -> Counts {
        Counts::of(&self.lines, objective)
    }

    /// Tenants that do not keep every promise, the worst first.
    pub(super) fn not_kept(&self) -> Vec<&Line<'a>> {
        let mut lines: Vec<_> = self.lines.iter().filter(|line| line.worst() != State::Kept).collect();
        // By name among equals, as they stand.
        lines.sort_by_key(|line| Reverse(line.worst_cell().map(badness)));
        lines
    }
}

impl Counts {
    /// How some tenants fare by one objective; by their worst one for `None`.
    pub(super) fn of(lines: &[Line<'_>], objective: Option<usize>) -> Self {
        let mut counts = Self::default();
        for line in lines {
            let state = objective.map_or_else(|| Some(line.worst()), |at| line.state(at));
            let place = State::ALL.iter().position(|known| Some(*known) == state);
            if let Some(place) = place {
                counts.0[place] += 1;
            }
        }
        counts
    }

    pub(super) fn total(self) -> usize {
        self.0.iter().sum()
    }

    /// The states that there are, the worst first, with their numbers.
    pub(super) fn there(self) -> impl Iterator<Item = (State, usize)> {
        State::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }

    /// `2 in breach, 1 unknown, 47 kept`.
    pub(super) fn told(self) -> String {
        let parts: Vec<_> =
            self.there().map(|(state, count)| format!("{count} {}", state.as_str())).collect();
        if parts.is_empty() { "no such promise".to_owned() } else { parts.join(", ") }
    }

    /// The parts of a column of this height, from the bottom, worst first: nothing that there is gets less than `least`.
    pub(super) fn heights(self, height: usize, least: usize) -> Vec<(State, usize)> {
        let total = self.total().max(1);
        let mut parts: Vec<_> =
            self.there().map(|(state, count)| (state, (height * count / total).max(least))).collect();
        // What rounding and the least heights made too much or too little is the largest part's.
        let sum: usize = parts.iter().map(|(_, part)| part).sum();
        if let Some((_, largest)) = parts.iter_mut().max_by_key(|(_, part)| *part) {
            *largest = (*largest + height).saturating_sub(sum);
        }
        parts
    }
}

/// What is proven to be bad is worse than what is unknown.
const fn badness(cell: &Cell) -> (State, Reverse<(u64, u64)>) {
    let (low, high) = cell.score;
    (cell.state(), Reverse((high, low)))
}

fn line<'a>(tenant: &'a Tenant, objectives: &[&str]) -> Line<'a> {
    let mut cells: Vec<Option<&Cell>> = vec![None; objectives.len()];
    for cell in &tenant.results {
        let Ok(at) = objectives.binary_search(&cell.objective.as_str()) else { continue };
        cells[at] = cells[at].into_iter().chain([cell]).max_by_key(|cell| badness(cell));
    }
    Line { tenant, cells }
}
