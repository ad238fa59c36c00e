//! Canary against baseline, valid at every look: the exact conditional odds-ratio e-process.
//!
//! At each poll, the requests and events (failed, or slower than a bound) of canary and baseline form a 2×2 [`Table`].
//! Given its margins, the canary's share of the events has a known law, so that the errors' own level is never
//! estimated: an outage that hits all nodes, the time of day and changing weights cancel poll by poll. An [`OddsTest`]
//! bets against "the canary's odds are at most the margin times the baseline's"; its capital is an e-value, and by Ville's
//! inequality it reaches 1/α with a chance of at most α when the canary is good, however often it is looked at.
//!
//! * [`CounterMemory`], [`ArmHistogram`]: from raw counters to tables.
//! * [`Calibration`]: how noisy and how unequal the nodes were before the release.
//! * [`OddsWatch`]: several SLIs together, with what follows: red, green, a hold, inconclusive.
//! * [`Prospect`]: what a watch can see with the traffic there is.
//!
//! Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform Chernoff bounds via nonnegative supermartingales" (Probability
//! Surveys 2020) for the method; Lindon, Sanden and Shirikian, "Rapid regression detection in software deployments through
//! sequential testing" (KDD 2022) for canaries. The numbers are in `docs/judging-benchmark.md`.
//!
//! The guarantee is a theorem where the requests of a poll are routed independently and the calibrated odds ratio holds;
//! for clustered errors and wobbling nodes it rests on the calibration. Therefore evidence without a history, or with
//! more noise than the history had, is a hold and not red ([`Distrust`]).
//!
//! ```
//! use std::time::Duration;
//! use canary_core::analysis::odds::{Calibration, OddsPolicy, OddsSli, OddsVerdict, OddsWatch, Table};
//!
//! // An hour before the release: both nodes fail one request in a thousand.
//! let before: Vec<[Table; 1]> =
//!     (0..120).map(|poll| [Table::new((3000, 2 + poll % 3), (3000, 2 + (poll + 1) % 3))]).collect();
//! let poll = Duration::from_secs(30);
//! let errors = OddsSli::errors("errors", Calibration::from_history(&before, poll), Some(0.005));
//! let mut watch = OddsWatch::new(OddsPolicy::default(), &[errors]);
//!
//! // Trouble that both arms share does not count against the canary.
//! let shared = Table::new((3000, 90), (3000, 91));
//! assert_eq!(watch.observe(&[vec![vec![shared]]], poll).verdict, OddsVerdict::Watching);
//!
//! // Trouble of its own does, after a few polls.
//! let own = Table::new((3000, 30), (3000, 3));
//! let verdicts: Vec<_> = (0..4).map(|_| watch.observe(&[vec![vec![own]]], poll)).collect();
//! assert_eq!(verdicts[3].verdict, OddsVerdict::Red);
//! println!("{}", verdicts[3].evidence);
//! ```

mod absolute;
mod boundaries;
mod calibration;
mod counters;
mod detectability;
mod exact;
mod increments;
mod logs;
mod noise;
mod non_inferiority;
mod policy;
mod sli;
mod table;
mod test;
mod watch;

#[cfg(test)]
mod tests;

pub use absolute::{AbsoluteTest, Side};
pub use boundaries::choose_boundaries;
pub use calibration::{Calibration, SHORTEST_HISTORY};
pub use counters::{ArmHistogram, CounterMemory, SeriesReading};
pub use detectability::{Detectability, Prospect};
pub use increments::increments;
pub use noise::{NoiseCheck, OnlineDispersion, StepScatter};
pub use non_inferiority::NonInferiority;
pub use policy::{Against, OddsPolicy, OddsSli, OddsTable};
pub use sli::Distrust;
pub use table::{ArmCounts, Table};
pub use test::{OddsSettings, OddsTest};
pub use watch::{OddsEvidence, OddsJudgement, OddsVerdict, OddsWatch};
