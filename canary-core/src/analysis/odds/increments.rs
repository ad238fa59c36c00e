//! The evidence of one table: log likelihood ratios of Fisher's noncentral hypergeometric law.

use super::table::Table;

/// The terms of the law are summed until one is below this share of the sum.
const NEGLIGIBLE: f64 = 1e-18;

/// Writes for each δ the log likelihood ratio of "odds ratio = margin·e^δ" against "odds ratio = margin".
///
/// Given how many requests each arm had and how many of all were events, the canary's events x₁ follow Fisher's
/// noncentral hypergeometric law, whatever the level of errors: what both arms share cancels. With ψ the odds ratio,
/// `P(x₁ = j) ∝ C(n₁, j)·C(n₀, x − j)·ψ^j`, so the ratio is `x₁·δ − K(ln m + δ) + K(ln m)` with K the logarithm of the
/// law's normaliser. Its exponential has mean 1 when the odds ratio is the margin, and at most 1 below it when δ > 0
/// (for δ < 0: above it). Conditioning as in Lindon and Malek, "Anytime-valid inference for multinomial count data"
/// (NeurIPS 2022); 2×2 e-values as in Turner, Ly and Grünwald, "Generic e-variables for exact sequential k-sample tests"
/// (JSPI 2024).
///
/// A table that cannot tell the arms apart gives zeros. `ln_margin` is a natural logarithm; `deltas` are log odds ratios;
/// `out` is as long as `deltas`. Cost: some 35 µs for 30,000 requests, 2 ms for 3 million.
pub fn increments(table: Table, ln_margin: f64, deltas: &[f64], out: &mut [f64]) {
    if !table.informs() {
        out.fill(0.0);
        return;
    }
    let law = Law::new(table);
    let start = law.mode(ln_margin.exp());
    let base = law.ln_sum_from(start, ln_margin.exp());
    let seen = table.canary.events as f64;
    let (mut at, mut walked) = (start, 0.0);
    for (delta, out) in deltas.iter().zip(out) {
        let psi = (ln_margin + delta).exp();
        let mode = law.mode(psi);
        walked += law.ln_walk(at, mode);
        at = mode;
        // Subtracted before anything large is added: the normalisers themselves are as large as ln(n!).
        *out = (seen - at as f64) * delta
            - (at as f64 - start as f64) * ln_margin
            - walked
            - law.ln_sum_from(at, psi)
            + base;
    }
}

/// The law of x₁ given the table's margins.
struct Law {
    lowest: u64,
    highest: u64,
    canary: f64,
    baseline: f64,
    events: f64,
}

impl Law {
    fn new(table: Table) -> Self {
        let events = table.events();
        Self {
            lowest: events.saturating_sub(table.baseline.requests),
            highest: table.canary.requests.min(events),
            canary: table.canary.requests as f64,
            baseline: table.baseline.requests as f64,
            events: events as f64,
        }
    }

    /// The weight of j + 1 over the weight of j at ψ = 1.
    fn up(&self, j: u64) -> f64 {
        let j = j as f64;
        (self.canary - j) * (self.events - j) / ((j + 1.0) * (self.baseline - self.events + j + 1.0))
    }

    /// The logarithm of the weight of `to` over the weight of `from`, at ψ = 1.
    ///
    /// Factors are multiplied up and their logarithm taken seldom; each is at least 1, so that products only grow.
    fn ln_walk(&self, from: u64, to: u64) -> f64 {
        const LARGE: f64 = 1e250;
        let (mut ln, mut over, mut under) = (0.0, 1.0, 1.0);
        for j in from.min(to)..from.max(to) {
            let j = j as f64;
            over *= (self.canary - j) * (self.events - j);
            under *= (j + 1.0) * (self.baseline - self.events + j + 1.0);
            if over > LARGE || under > LARGE {
                ln += f64::ln(over / under);
                (over, under) = (1.0, 1.0);
            }
        }
        ln += f64::ln(over / under);
        if from <= to { ln } else { -ln }
    }

    /// The likeliest x₁ (Liao and Rosen, "Fast and stable algorithms for computing and sampling from the noncentral
    /// hypergeometric distribution", The American Statistician 2001).
    fn mode(&self, psi: f64) -> u64 {
        let a = psi - 1.0;
        let b = (self.canary + self.events + 2.0) * psi + self.baseline - self.events;
        let c = psi * (self.canary + 1.0) * (self.events + 1.0);
        let root = (b * b - 4.0 * a * c).max(0.0).sqrt();
        ((2.0 * c / (b + root)) as u64).clamp(self.lowest, self.highest)
    }

    /// The logarithm of the sum of all weights over the weight of `from`, which is near the mode.
    fn ln_sum_from(&self, from: u64, psi: f64) -> f64 {
        let (mut sum, mut weight) = (1.0, 1.0);
        for j in from..self.highest {
            weight *= self.up(j) * psi;
            sum += weight;
            if weight < NEGLIGIBLE * sum {
                break;
            }
        }
        weight = 1.0;
        for j in (self.lowest..from).rev() {
            weight /= self.up(j) * psi;
            sum += weight;
            if weight < NEGLIGIBLE * sum {
                break;
            }
        }
        sum.ln()
    }
}
