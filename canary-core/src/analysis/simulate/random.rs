//! Random counts from a seed: the same stream on every machine.

/// A generator of pseudo-random numbers: xoshiro256++ (Blackman and Vigna, "Scrambled linear pseudorandom number
/// generators", ACM TOMS 2021), seeded through SplitMix64. Not for secrets.
#[derive(Debug, Clone)]
pub struct Random {
    state: [u64; 4],
}

impl Random {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut at = seed;
        let state = std::array::from_fn(|_| {
            at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (at ^ (at >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Self { state }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let out = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        out
    }

    /// A number above 0 and below 1, evenly.
    pub fn uniform(&mut self) -> f64 {
        ((self.bits() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// A standard normal number (Box and Muller, "A note on the generation of random normal deviates", 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A gamma-distributed number of scale 1 (Marsaglia and Tsang, "A simple method for generating gamma variables",
    /// ACM TOMS 2000); `shape` above 0.
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let less = self.uniform().powf(1.0 / shape);
            return less * self.gamma(shape + 1.0);
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && self.uniform().ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
                return d * v;
            }
        }
    }

    /// A beta-distributed share with this mean (above 0, below 1) and correlation between the draws that use it (0 to 1:
    /// its variance is `correlation · mean · (1 − mean)`).
    pub fn share(&mut self, mean: f64, correlation: f64) -> f64 {
        if correlation <= 0.0 {
            return mean;
        }
        let strength = (1.0 - correlation) / correlation;
        let (yes, no) = (self.gamma(mean * strength), self.gamma((1.0 - mean) * strength));
        if yes + no > 0.0 { yes / (yes + no) } else { mean }
    }

    /// A Poisson-distributed count; `mean` ≥ 0. Multiplication for small means (Knuth), else the transformed rejection
    /// PTRS (Hörmann, "The transformed rejection method for generating Poisson random variables", 1993).
    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean < 10.0 {
            let (floor, mut product, mut count) = ((-mean).exp(), self.uniform(), 0);
            while product > floor {
                product *= self.uniform();
                count += 1;
            }
            return count;
        }
        let b = 0.931 + 2.53 * mean.sqrt();
        let a = -0.059 + 0.024_83 * b;
        let inverse_alpha = 1.1239 + 1.1328 / (b - 3.4);
        loop {
            let u = self.uniform() - 0.5;
            let v = self.uniform();
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + mean + 0.43).floor();
            if us >= 0.07 && v <= 0.9277 - 3.6224 / (b - 2.0) {
                return k as u64;
            }
            if k < 0.0 || (us < 0.013 && v > us) {
                continue;
            }
            let ln_factorial =
                stirling(k) + (k + 0.5) * (k + 1.0).ln() - (k + 1.0) + 0.5 * std::f64::consts::TAU.ln();
            if (v * inverse_alpha / (a / (us * us) + b)).ln() <= k * mean.ln() - mean - ln_factorial {
                return k as u64;
            }
        }
    }

    /// A binomially distributed count; `p` 0 to 1. Waiting times for small means, else the transformed rejection BTRS
    /// (Hörmann, "The generation of binomial random variates", 1993).
    pub fn binomial(&mut self, n: u64, p: f64) -> u64 {
        if p > 0.5 {
            return n - self.binomial(n, 1.0 - p);
        }
        let trials = n as f64;
        if n == 0 || p <= 0.0 {
            return 0;
        }
        if trials * p < 10.0 {
            let (ln_miss, mut at, mut count) = ((-p).ln_1p(), 0.0, 0);
            loop {
                at += (self.uniform().ln() / ln_miss).ceil();
                if at > trials {
                    return count;
                }
                count += 1;
            }
        }
        self.large_binomial(trials, p)
    }

    fn large_binomial(&mut self, n: f64, p: f64) -> u64 {
        let deviation = (n * p * (1.0 - p)).sqrt();
        let b = 1.15 + 2.53 * deviation;
        let a = -0.0873 + 0.0248 * b + 0.01 * p;
        let odds = p / (1.0 - p);
        let mode = ((n + 1.0) * p).floor();
        loop {
            let u = self.uniform() - 0.5;
            let v = self.uniform();
            let us = 0.5 - u.abs();
            let k = ((2.0 * a / us + b) * u + n * p + 0.5).floor();
            if k < 0.0 || k > n {
                continue;
            }
            if us >= 0.07 && v <= 0.92 - 4.2 / b {
                return k as u64;
            }
            let height = (v * (2.83 + 5.1 / b) * deviation / (a / (us * us) + b)).ln();
            let ln_ratio = (mode + 0.5) * ((mode + 1.0) / (odds * (n - mode + 1.0))).ln()
                + (n + 1.0) * ((n - mode + 1.0) / (n - k + 1.0)).ln()
                + (k + 0.5) * (odds * (n - k + 1.0) / (k + 1.0)).ln()
                + stirling(mode)
                + stirling(n - mode)
                - stirling(k)
                - stirling(n - k);
            if height <= ln_ratio {
                return k as u64;
            }
        }
    }
}

/// What Stirling's formula for ln k! lacks: `ln k! − [½ ln 2π + (k + ½) ln(k + 1) − (k + 1)]`.
fn stirling(k: f64) -> f64 {
    if k < 10.0 {
        let ln_factorial: f64 = (2..=(k as u32)).map(|i| f64::from(i).ln()).sum();
        return ln_factorial - 0.5 * std::f64::consts::TAU.ln() - (k + 0.5) * (k + 1.0).ln() + k + 1.0;
    }
    let next = k + 1.0;
    let square = next * next;
    (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / next
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mean and variance of many draws, each within five standard errors of what they should be.
    #[track_caller]
    fn moments(what: &str, mean: f64, variance: f64, mut draw: impl FnMut() -> f64) {
        const DRAWS: u32 = 40_000;
        let draws: Vec<f64> = (0..DRAWS).map(|_| draw()).collect();
        let n = f64::from(DRAWS);
        let seen = draws.iter().sum::<f64>() / n;
        let scatter = draws.iter().map(|x| (x - seen).powi(2)).sum::<f64>() / n;
        let fourth = draws.iter().map(|x| (x - seen).powi(4)).sum::<f64>() / n;
        assert!((seen - mean).abs() < 5.0 * (variance / n).sqrt(), "{what}: mean {seen}, not {mean}");
        let error = ((fourth - scatter * scatter) / n).sqrt();
        assert!((scatter - variance).abs() < 5.0 * error, "{what}: variance {scatter}, not {variance}");
    }

    #[test]
    fn draws_have_the_moments_of_their_laws() {
        let mut random = Random::new(7);
        moments("uniform", 0.5, 1.0 / 12.0, || random.uniform());
        moments("normal", 0.0, 1.0, || random.normal());
        moments("gamma 0.3", 0.3, 0.3, || random.gamma(0.3));
        moments("gamma 4", 4.0, 4.0, || random.gamma(4.0));
        moments("share", 0.01, 0.02 * 0.01 * 0.99, || random.share(0.01, 0.02));
        for mean in [0.2, 9.0, 11.0, 300.0, 30_000.0] {
            moments("poisson", mean, mean, || random.poisson(mean) as f64);
        }
        for (n, p) in
            [(1, 0.3), (40, 0.2), (50, 0.21), (50, 0.6), (3000, 0.001), (30_000, 0.126), (200, 0.95)]
        {
            let (mean, n_f) = (n as f64 * p, n as f64);
            moments("binomial", mean, n_f * p * (1.0 - p), || random.binomial(n, p) as f64);
        }
    }

    #[test]
    fn a_seed_is_a_stream() {
        let draw = |seed| (0..5).map(|_| Random::new(seed).bits()).collect::<Vec<_>>();
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        assert_eq!((Random::new(3).binomial(0, 0.5), Random::new(3).binomial(9, 1.0)), (0, 9));
    }
}
