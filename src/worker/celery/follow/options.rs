//! How a follower is published: a signature's options, and what in its arguments is meant for Girder.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};

use crate::spec::{Node, Pickle, Pickled};
use crate::worker::celery::embed::Signature;
use crate::worker::celery::pickle::{PickleError, Writer, members};
use crate::worker::celery::time;

/// Girder Worker's names that become headers, wherever they stand.
const HEADERS: &[&str] = &[
    "girder_client_token",
    "girder_api_url",
    "girder_result_hooks",
    "girder_client_session_kwargs",
];
/// Girder Worker's names that say what job Girder makes. They never travel.
const JOB: &[&str] = &[
    "girder_user",
    "girder_job_title",
    "girder_job_type",
    "girder_job_public",
    "girder_job_handler",
    "girder_job_other_fields",
    "girder_job_disable",
];

/// Whether an argument is meant for Girder and not for the task.
pub(super) fn is_girders(name: &str) -> bool {
    HEADERS.contains(&name) || JOB.contains(&name)
}

/// A signature's options.
pub(super) struct Options<'s> {
    celerys: &'s Map<String, Json>,
    /// Other headers, and those of Girder's.
    headers: Map<String, Json>,
    /// What Girder's job is to be.
    job: Map<String, Json>,
}

impl<'s> Options<'s> {
    pub(super) fn new<'n>(
        signature: &'s Signature,
        pickle: &Pickle<'n>,
        options: &[(&'n str, &'n Node)],
        kwargs: &[(&'n str, &'n Node)],
    ) -> Result<Self, PickleError> {
        let mut found = Self { celerys: &signature.options, headers: Map::new(), job: Map::new() };
        let headers = options.iter().find(|(name, _)| *name == "headers");
        let headers = headers.map(|(_, node)| members(pickle, node)).transpose()?.flatten();
        for (name, node) in headers.iter().flatten() {
            if !JOB.contains(name) && !HEADERS.contains(name) {
                found.headers.insert((*name).to_owned(), alone(pickle, node)?);
            }
        }
        for (name, node) in headers.iter().flatten().chain(options).chain(kwargs) {
            let value = match *name {
                // Each is a pickle of its own.
                "girder_result_hooks" => match pickle.value(node)? {
                    Pickled::List(hooks) => {
                        hooks.iter().map(|hook| alone(pickle, hook)).collect::<Result<_, _>>()?
                    }
                    _ => continue,
                },
                name if is_girders(name) => alone(pickle, node)?,
                _ => continue,
            };
            let among = if HEADERS.contains(name) { &mut found.headers } else { &mut found.job };
            if !value.is_null() {
                among.insert((*name).to_owned(), value);
            }
        }
        Ok(found)
    }

    pub(super) fn headers(&self) -> Map<String, Json> {
        self.headers.clone()
    }

    /// What is said of the job that Girder makes.
    pub(super) fn of_the_job(&self, name: &str) -> Option<&Json> {
        self.job.get(name)
    }

    pub(super) fn wants_job(&self) -> bool {
        self.job.get("girder_job_disable") != Some(&Json::Bool(true))
    }

    pub(super) fn priority(&self) -> Option<u8> {
        self.celerys.get("priority")?.as_u64().map(|n| u8::try_from(n).unwrap_or(u8::MAX))
    }

    /// Exchange and routing key.
    pub(super) fn address(&self, queue: &str) -> (String, String) {
        let text = |name| self.celerys.get(name).and_then(Json::as_str).filter(|t| !t.is_empty());
        match (text("queue"), text("exchange"), text("routing_key")) {
            (Some(queue), ..) => (String::new(), queue.to_owned()),
            (None, Some(exchange), key) => (exchange.to_owned(), key.unwrap_or(queue).to_owned()),
            (None, None, key) => (String::new(), key.unwrap_or(queue).to_owned()),
        }
    }

    pub(super) fn eta(&self, now: SystemTime) -> Option<String> {
        let delay = self.celerys.get("countdown").and_then(Json::as_f64).filter(|s| *s > 0.0);
        delay.and_then(|seconds| after(now, seconds)).or_else(|| point(self.celerys.get("eta")?))
    }

    pub(super) fn expires(&self, now: SystemTime) -> Option<String> {
        let expires = self.celerys.get("expires")?;
        match expires.as_f64() {
            Some(seconds) => after(now, seconds),
            None => point(expires),
        }
    }
}

/// A value as a pickle of its own.
fn alone<'n>(pickle: &Pickle<'n>, node: &'n Node) -> Result<Json, PickleError> {
    let mut writer = Writer::default();
    writer.node(pickle, node)?;
    serde_json::from_str(&writer.finish()).map_err(|_| PickleError::Malformed)
}

fn after(now: SystemTime, seconds: f64) -> Option<String> {
    let delay = Duration::try_from_secs_f64(seconds.abs()).ok()?;
    let then = if seconds < 0.0 { now.checked_sub(delay) } else { now.checked_add(delay) };
    // Beyond what a calendar has, there is no such point.
    then.filter(|then| time::parse(&time::iso(*then)).is_some()).map(time::iso)
}

/// A point in time: a string, or a `datetime` as jsonpickle writes it.
fn point(value: &Json) -> Option<String> {
    if let Some(text) = value.as_str() {
        return Some(text.to_owned());
    }
    // The bytes of `datetime.__reduce_ex__`: year, month, day, hour, minute, second, microsecond.
    let arguments = value.get("__reduce__")?.get(1)?;
    let bytes = STANDARD.decode(arguments.get(0)?.as_str()?).ok()?;
    let [y1, y0, month, day, hour, minute, second, u2, u1, u0] = *bytes.as_slice() else {
        return None;
    };
    let (year, micros) = (u16::from_be_bytes([y1, y0]), u32::from_be_bytes([0, u2, u1, u0]));
    let text =
        format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}");
    let local = time::parse(&text)?;
    // `timezone(timedelta(days, seconds, microseconds))`; none is UTC.
    let Some(zone) = arguments.get(1) else { return Some(time::iso(local)) };
    let delta = zone.pointer("/py~1reduce/1/py~1tuple/0/py~1reduce/1/py~1tuple")?;
    let seconds = delta.get(0)?.as_i64()? * 86_400 + delta.get(1)?.as_i64()?;
    let offset = Duration::from_secs(seconds.unsigned_abs().min(86_400));
    let utc = if seconds < 0 { local.checked_add(offset) } else { local.checked_sub(offset) };
    utc.map(time::iso)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_datetime_is_read_as_jsonpickle_writes_it() {
        let zone = |days: i64, seconds: i64| {
            json!({"py/reduce": [{"py/type": "datetime.timezone"}, {"py/tuple": [
                {"py/reduce": [{"py/type": "datetime.timedelta"},
                    {"py/tuple": [days, seconds, 0]}]}]}]})
        };
        let datetime = |arguments: Json| {
            json!({"py/object": "datetime.datetime",
                "__reduce__": [{"py/type": "datetime.datetime"}, arguments]})
        };
        for (arguments, expected) in [
            (json!(["B+oLGwInJwGU9Q=="]), "2026-11-27T02:39:39.103669+00:00"),
            (json!(["B+oLGwInJwGU9Q==", zone(0, 0)]), "2026-11-27T02:39:39.103669+00:00"),
            (json!(["B+oLGwInJwGU9Q==", zone(0, 7200)]), "2026-11-27T00:39:39.103669+00:00"),
            (json!(["B+oLGwInJwGU9Q==", zone(-1, 82_800)]), "2026-11-27T03:39:39.103669+00:00"),
        ] {
            assert_eq!(point(&datetime(arguments)).as_deref(), Some(expected));
        }
        assert_eq!(point(&datetime(json!(["B+oL"]))), None);
        assert_eq!(point(&json!(["x"])), None);
    }

    #[test]
    fn a_delay_beyond_the_calendar_is_none() {
        assert_eq!(after(SystemTime::UNIX_EPOCH, 1e300), None);
        assert_eq!(
            after(SystemTime::UNIX_EPOCH, 1.5).as_deref(),
            Some("1970-01-01T00:00:01.500000+00:00")
        );
    }
}
