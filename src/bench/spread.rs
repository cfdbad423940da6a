//! How numbers lie: the least, the quartiles, the most.

use serde_json::{Value, json};

/// Numbers, in their order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spread(Vec<f64>);

impl Spread {
    pub(super) fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let mut numbers: Vec<_> = numbers.collect();
        numbers.sort_by(f64::total_cmp);
        Self(numbers)
    }

    /// The one in the middle, or half-way between the two.
    pub(super) fn median(&self) -> f64 {
        self.quartile(2)
    }

    /// The least (0), the quartiles, the most (4); between two numbers in proportion to their nearness.
    fn quartile(&self, which: usize) -> f64 {
        let last = self.0.len().saturating_sub(1);
        let (at, rest) = (last * which / 4, last * which % 4);
        let number = |at| self.0.get(at).copied();
        let Some(lower) = number(at) else { return 0.0 };
        let upper = number(at + 1).unwrap_or(lower);
        let part = [0.0, 0.25, 0.5, 0.75].get(rest).copied().unwrap_or_default();
        lower + (upper - lower) * part
    }

    /// The five of them.
    pub(super) fn five(&self) -> [f64; 5] {
        [0, 1, 2, 3, 4].map(|which| self.quartile(which))
    }

    pub(super) fn to_json(&self) -> Value {
        let [least, lower, median, upper, most] = self.five();
        json!({
            "least": least,
            "lower_quartile": lower,
            "median": median,
            "upper_quartile": upper,
            "most": most,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        let median = |numbers: &[f64]| Spread::of(numbers.iter().copied()).median();
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[7.0]), 7.0);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn quartiles_are_between_the_least_and_the_most() {
        let five = |numbers: &[f64]| Spread::of(numbers.iter().copied()).five();
        assert_eq!(five(&[5.0, 1.0, 3.0, 2.0, 4.0]), [1.0, 2.0, 3.0, 4.0, 5.0]);
        // As Python's statistics.quantiles(…, method="inclusive").
        assert_eq!(five(&[1.0, 2.0, 3.0, 4.0]), [1.0, 1.75, 2.5, 3.25, 4.0]);
        assert_eq!(five(&[2.0]), [2.0; 5]);
    }
}
