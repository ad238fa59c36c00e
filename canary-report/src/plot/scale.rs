//! Axes: instants and values as places, with ticks that people read easily. Total for every number there is.

use canary_core::analysis::Number;
use canary_core::time::Timestamp;

use crate::words;

/// Ticks on an axis at most.
const TICKS: u64 = 4;
/// Steps between instants that people count in, in milliseconds.
const STEPS: [u64; 22] = [
    100,
    200,
    500,
    1000,
    2000,
    5000,
    10_000,
    15_000,
    30_000,
    60_000,
    120_000,
    300_000,
    600_000,
    900_000,
    1_800_000,
    3_600_000,
    7_200_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
];
const DAY: u64 = 86_400_000;

/// The time axis: places are milliseconds since its begin.
#[derive(Debug)]
pub(super) struct Times {
    from: Timestamp,
    span: u64,
    step: u64,
}

impl Times {
    pub(super) fn new(from: Timestamp, to: Timestamp) -> Self {
        let span = to.as_millis().saturating_sub(from.as_millis()).max(1);
        // A little room on the right, so that the last dot is whole.
        let span = span.saturating_add(span / 25).max(1);
        let mut step = STEPS.into_iter().find(|step| span / step < TICKS).unwrap_or(2 * DAY);
        while span / step >= TICKS {
            step = step.saturating_mul(2);
        }
        Self { from, span, step }
    }

    pub(super) const fn end(&self) -> f64 {
        self.span as f64
    }

    /// The space between a line and the word beside it.
    pub(super) const fn room(&self) -> f64 {
        self.span as f64 / 80.0
    }

    pub(super) fn place(&self, at: Timestamp) -> f64 {
        at.as_millis().saturating_sub(self.from.as_millis()).min(self.span) as f64
    }

    pub(super) fn ticks(&self) -> Vec<f64> {
        let from = self.from.as_millis();
        let first = from.div_ceil(self.step).saturating_mul(self.step) - from;
        (0..=TICKS)
            .map(|i| first.saturating_add(i * self.step))
            .filter(|at| *at <= self.span - self.span / 20)
            .map(|at| at as f64)
            .collect()
    }

    /// As much of an instant as tells the ticks apart, UTC.
    pub(super) fn label(&self, place: f64) -> String {
        // proof: places are ticks, whole and between 0 and the span; the conversion saturates in any case.
        let at = Timestamp::from_millis(self.from.as_millis().saturating_add(place as u64)).to_string();
        let part = match self.step {
            0..1000 => 11..21,
            1000..60_000 => 11..19,
            60_000..DAY => 11..16,
            _ => 0..10,
        };
        at.get(part).unwrap_or_default().to_owned()
    }
}

/// The value axis: places are values divided by the largest, so that none overflows. Zero is always on it.
#[derive(Debug)]
pub(super) struct Values {
    unit: f64,
    low: f64,
    high: f64,
}

impl Values {
    pub(super) fn new(values: impl Iterator<Item = Number>) -> Self {
        let (mut low, mut high) = (0.0_f64, 0.0_f64);
        for value in values {
            (low, high) = (low.min(value.value()), high.max(value.value()));
        }
        let unit = high.max(-low);
        if unit == 0.0 {
            return Self { unit: 1.0, low: 0.0, high: 1.0 };
        }
        Self { unit, low: low / unit, high: high / unit }
    }

    /// With room above and below for words.
    pub(super) fn range(&self) -> (f64, f64) {
        let room = (self.high - self.low) * 0.15;
        let below = if self.low < 0.0 { room } else { 0.0 };
        (self.low - below, self.high + room)
    }

    pub(super) fn place(&self, value: Number) -> f64 {
        value.value() / self.unit
    }

    /// Round values from the lowest to the highest.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let (low, high) = self.range();
        let about = (high - low) * self.unit / TICKS as f64;
        let power = 10_f64.powf(about.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= about);
        let step = step.map(|step| step / self.unit).filter(|step| step.is_normal());
        // The largest and the smallest numbers there are have no round neighbours.
        let Some(step) = step else { return vec![self.low, self.high] };
        let first = (low / step).ceil();
        (0..=2 * TICKS).map(|i| (first + i as f64) * step).filter(|at| *at <= high).collect()
    }

    pub(super) fn label(&self, place: f64) -> String {
        // What is left of zero after the steps to it.
        let place = if place.abs() < 1e-9 { 0.0 } else { place };
        Number::new(place * self.unit).map(words::number).unwrap_or_default()
    }
}
