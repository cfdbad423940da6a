//! When a measurement began, and how busy the machine was then: numbers of a busy machine are to be
//! known for what they are.

use serde_json::{Value, json};

use crate::depot::date::Date;

/// The beginning of a measurement.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Begun {
    /// In UTC, as ISO 8601 has it.
    pub date: String,
    /// How many tasks wanted a core, over one, five and fifteen minutes; see `proc_loadavg(5)`.
    pub load: Option<[f64; 3]>,
}

impl Begun {
    pub(super) fn now() -> Self {
        let load = std::fs::read_to_string("/proc/loadavg").ok().and_then(|text| load(&text));
        Self { date: Date::now().iso(), load }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({ "date": self.date, "load": self.load })
    }
}

fn load(text: &str) -> Option<[f64; 3]> {
    let mut numbers = text.split_whitespace().map(|word| word.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_load_is_the_first_three_numbers() {
        assert_eq!(load("15.21 14.18 15.88 3/411 12345\n"), Some([15.21, 14.18, 15.88]));
        assert_eq!(load("15.21 14.18"), None);
        assert_eq!(load("much 14.18 15.88"), None);
    }
}
