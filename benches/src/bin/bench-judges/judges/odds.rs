//! Ours, calibrated from six hours of history, charged for two SLIs of which one is simulated.

use std::time::Duration;

use canary_core::analysis::odds::{Calibration, OddsPolicy, OddsSli, OddsVerdict, OddsWatch, Table};
use canary_core::analysis::simulate::Random;

use super::{Judge, Says};
use crate::scenario::Scenario;
use crate::stream::{BOUNDS, POLL, Poll, Stream};

/// Six hours.
const HISTORY_POLLS: usize = 720;

const INTERVAL: Duration = Duration::from_secs(POLL as u64);

pub(crate) struct Odds {
    watch: OddsWatch,
    /// Which of a poll's counts each table of the SLI takes.
    tables: Vec<usize>,
}

impl Odds {
    pub(crate) fn new(scenario: &Scenario, random: &mut Random) -> Self {
        let mut stream = Stream::history(scenario);
        let history: Vec<Poll> = (0..HISTORY_POLLS).map(|_| stream.poll(random)).collect();
        let calibrate = |index: usize| {
            let polls: Vec<[Table; 1]> = history.iter().map(|poll| [table(poll, index)]).collect();
            Calibration::from_history(&polls, INTERVAL)
        };
        let mut sli = if scenario.is_latency() {
            OddsSli::latency("latency", &slower(&history), Some((0.5, 0.05)), calibrate)
        } else {
            OddsSli::errors("errors", calibrate(0), None)
        };
        // Green decides nothing here and takes as long as red.
        sli.tables.iter_mut().for_each(|table| table.for_green = false);
        let place = |bound: Option<f64>| BOUNDS.iter().position(|b| Some(*b) == bound).unwrap_or(0);
        let tables = sli.tables.iter().map(|table| place(table.bound)).collect();
        let silent = OddsSli::errors("the other", None, None);
        Self { watch: OddsWatch::new(OddsPolicy::default(), &[sli, silent]), tables }
    }
}

impl Judge for Odds {
    fn poll(&mut self, poll: &Poll) -> Says {
        let strata: Vec<Vec<Table>> = self.tables.iter().map(|index| vec![table(poll, *index)]).collect();
        match self.watch.observe(&[strata], INTERVAL).verdict {
            OddsVerdict::Red => Says::RollBack,
            OddsVerdict::Hold(_) => Says::Holds,
            _ => Says::GoOn,
        }
    }
}

fn table(poll: &Poll, index: usize) -> Table {
    let arm = |arm: &crate::stream::Arm| (arm.requests, arm.beyond[index]);
    Table::new(arm(&poll.canary), arm(&poll.baseline))
}

/// The baseline's share of slower requests at each bound.
fn slower(history: &[Poll]) -> Vec<(f64, f64)> {
    let all: u64 = history.iter().map(|poll| poll.baseline.requests).sum();
    let share = |index: usize| {
        let beyond: u64 = history.iter().map(|poll| poll.baseline.beyond[index]).sum();
        if all == 0 { 0.0 } else { beyond as f64 / all as f64 }
    };
    BOUNDS.iter().enumerate().map(|(index, bound)| (*bound, share(index))).collect()
}
