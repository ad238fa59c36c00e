//! What is simulated: traffic, trouble of both arms, noise of nodes, and a release that is worse, or not.

/// What is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Sli {
    /// Failed requests, by their share.
    Errors { ratio: f64 },
    /// Slow requests: lognormal, by median in seconds and the logarithm's standard deviation.
    Latency { p50: f64, sigma: f64 },
}

/// How a bad release differs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Effect {
    None,
    /// Errors times this.
    Times(f64),
    /// Errors plus this share.
    Plus(f64),
    /// Every request takes this many times as long.
    Slower(f64),
    /// This share of requests takes so many times as long.
    Tail(f64, f64),
}

impl Effect {
    pub(crate) fn on_errors(self, ratio: f64) -> f64 {
        match self {
            Self::Times(factor) => ratio * factor,
            Self::Plus(share) => ratio + share,
            _ => ratio,
        }
    }

    /// The share of slower requests, of the share as a function of how many times slower the service is.
    pub(crate) fn on_latency(self, share: impl Fn(f64) -> f64) -> f64 {
        match self {
            Self::Slower(factor) => share(factor),
            Self::Tail(part, factor) => (1.0 - part) * share(1.0) + part * share(factor),
            _ => share(1.0),
        }
    }
}

/// What happens to both arms alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Common {
    None,
    /// Errors or latency times this, for so many minutes from the twentieth on.
    Factor(f64, u32),
    /// Traffic up and down by half, errors drifting to three times.
    Diurnal,
    /// The canary's share 5, 25, then 50 %, with errors or latency times this in the last third.
    Ramp(f64),
}

/// The state of both arms at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) traffic: f64,
    pub(crate) level: f64,
    pub(crate) share: f64,
}

impl Common {
    pub(crate) fn at(self, seconds: u32, share: f64) -> Moment {
        let calm = Moment { traffic: 1.0, level: 1.0, share };
        let hour = f64::from(seconds) / 3600.0;
        match self {
            Self::None => calm,
            Self::Factor(level, minutes) if (1200..1200 + 60 * minutes).contains(&seconds) => {
                Moment { level, ..calm }
            }
            Self::Factor(..) => calm,
            Self::Diurnal => {
                let traffic = 1.0 + 0.5 * (std::f64::consts::TAU * hour).sin();
                Moment { traffic, level: 1.0 + 2.0 * hour, ..calm }
            }
            Self::Ramp(_) if seconds < 1200 => Moment { share: 0.05, ..calm },
            Self::Ramp(_) if seconds < 2400 => Moment { share: 0.25, ..calm },
            Self::Ramp(level) => Moment { share: 0.5, level, ..calm },
        }
    }
}

/// How nodes differ from the textbook.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Noise {
    /// Correlation of the errors within a poll of one arm.
    pub(crate) icc: f64,
    /// Errors come in clusters of this many on one arm, when above 1.
    pub(crate) cluster: f64,
    /// Clusters have geometric sizes with that mean.
    pub(crate) geometric: bool,
    /// The canary's node is by itself worse, times this.
    pub(crate) bias: f64,
    /// The standard deviation of each node's latency from poll to poll, in parts of it.
    pub(crate) jitter: f64,
    /// How much of one poll's jitter is left in the next, 0 to 1.
    pub(crate) correlation: f64,
}

/// One simulated hour.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) sli: Sli,
    /// Requests a second of both arms.
    pub(crate) rps: f64,
    /// The canary's share of them.
    pub(crate) share: f64,
    pub(crate) common: Common,
    pub(crate) noise: Noise,
    /// The noise of the history, where it is not the watch's.
    pub(crate) history: Option<Noise>,
    pub(crate) effect: Effect,
    /// The second at which the release turns bad.
    pub(crate) onset: u32,
}

impl Scenario {
    pub(crate) fn errors(name: impl Into<String>) -> Self {
        Self::new(name.into(), Sli::Errors { ratio: 0.001 })
    }

    pub(crate) fn latency(name: impl Into<String>) -> Self {
        Self::new(name.into(), Sli::Latency { p50: 0.1, sigma: 0.8 })
    }

    const fn new(name: String, sli: Sli) -> Self {
        let quiet =
            Noise { icc: 0.0, cluster: 0.0, geometric: false, bias: 1.0, jitter: 0.0, correlation: 0.0 };
        Self {
            name,
            sli,
            rps: 100.0,
            share: 0.5,
            common: Common::None,
            noise: quiet,
            history: None,
            effect: Effect::None,
            onset: 0,
        }
    }

    pub(crate) const fn is_latency(&self) -> bool {
        matches!(self.sli, Sli::Latency { .. })
    }
}
