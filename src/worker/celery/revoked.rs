//! The ids of tasks that were revoked and may still come, as Celery's `LimitedSet`.
//!
//! Celery keeps 50,000 for three hours (`celery.worker.state`), and tells them to workers that say hello.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use serde_json::Value;

/// Revoked ids, each with the time at which it was. A clone shares the ids: it costs little.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Revoked {
    times: BTreeMap<Arc<str>, SystemTime>,
    by_time: BTreeSet<(SystemTime, Arc<str>)>,
}

impl Revoked {
    /// Ids that are kept; beyond it the oldest goes.
    pub const MOST: usize = 50_000;
    /// How long an id is kept.
    pub const KEPT: Duration = Duration::from_secs(10_800);
    /// A longer id is none of Celery's.
    const LONGEST: usize = 256;

    /// Notes an id. False if it was known.
    pub fn add(&mut self, id: &str, at: SystemTime) -> bool {
        if id.is_empty() || id.len() > Self::LONGEST || self.times.contains_key(id) {
            return false;
        }
        let id: Arc<str> = id.into();
        self.times.insert(Arc::clone(&id), at);
        self.by_time.insert((at, id));
        if self.times.len() > Self::MOST
            && let Some((_, oldest)) = self.by_time.pop_first()
        {
            self.times.remove(&oldest);
        }
        true
    }

    /// Whether an id is revoked.
    pub fn contains(&mut self, id: &str, now: SystemTime) -> bool {
        self.forget_old(now);
        self.times.contains_key(id)
    }

    /// All of them, the oldest first.
    pub fn ids(&mut self, now: SystemTime) -> Vec<String> {
        self.forget_old(now);
        self.by_time.iter().map(|(_, id)| id.to_string()).collect()
    }

    /// Of a file. What it does not understand is left out.
    pub fn from_json(value: &Value, now: SystemTime) -> Self {
        let mut revoked = Self::default();
        for (id, at) in value.as_object().into_iter().flatten() {
            let Some(seconds) = at.as_u64() else { continue };
            let at = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(now);
            // A clock that was wrong must not keep an id for ever.
            revoked.add(id, at.min(now));
        }
        revoked.forget_old(now);
        revoked
    }

    fn forget_old(&mut self, now: SystemTime) {
        let Some(limit) = now.checked_sub(Self::KEPT) else { return };
        while self.by_time.first().is_some_and(|(at, _)| *at <= limit) {
            let Some((_, id)) = self.by_time.pop_first() else { return };
            self.times.remove(&id);
        }
    }
}

/// As it is kept in a file: an object of ids with their times, in seconds since 1970.
impl Serialize for Revoked {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let seconds = |at: &SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        serializer.collect_map(self.times.iter().map(|(id, at)| (&**id, seconds(at))))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn an_id_is_kept_for_three_hours_and_told_once() {
        let mut revoked = Revoked::default();
        assert!(revoked.add("a", at(0)) && !revoked.add("a", at(5)));
        assert!(revoked.add("b", at(10)));
        assert_eq!(revoked.ids(at(20)), ["a", "b"]);
        assert!(revoked.contains("a", at(10_799)));
        assert!(!revoked.contains("a", at(10_800)) && revoked.contains("b", at(10_800)));
    }

    #[test]
    fn beyond_the_bound_the_oldest_goes() {
        let mut revoked = Revoked::default();
        for number in 0..=Revoked::MOST as u64 {
            revoked.add(&number.to_string(), at(number / 1000));
        }
        assert_eq!(revoked.times.len(), Revoked::MOST);
        assert!(!revoked.contains("0", at(60)) && revoked.contains("1", at(60)));
        assert!(!revoked.add(&"x".repeat(1000), at(0)) && !revoked.add("", at(0)));
    }

    #[test]
    fn a_file_gives_back_what_was_written_and_survives_nonsense() {
        let mut revoked = Revoked::default();
        revoked.add("a", at(0));
        revoked.add("b", at(10_000));
        let json = serde_json::to_value(&revoked).unwrap();
        assert_eq!(Revoked::from_json(&json, at(10_001)), revoked);
        let mut later = Revoked::from_json(&json, at(11_000));
        assert_eq!(later.ids(at(11_000)), ["b"]);
        let nonsense = json!({"a": "x", "b": u64::MAX, "c": -1});
        assert_eq!(Revoked::from_json(&nonsense, at(0)).ids(at(0)), ["b"]);
        assert_eq!(Revoked::from_json(&json!([1]), at(0)), Revoked::default());
    }
}
