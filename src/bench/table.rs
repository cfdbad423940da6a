//! What was measured, for people and for programs.

use std::fmt::Write;

use serde_json::{Value, json};

use super::case::Case;
use super::machine::Machine;
use super::measure::Options;

/// One run of a case.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Run {
    /// From the beginning to the last byte that the sink has: that its reader has, if it is a FIFO.
    pub seconds: f64,
    /// Of the moving process, while it moved.
    pub user_seconds: f64,
    /// Of the moving process, in the kernel.
    pub system_seconds: f64,
    /// The most memory that the moving process held.
    pub peak_memory: u64,
    /// How often it waited.
    pub voluntary_switches: u64,
    /// The most threads that the moving process had; not known of the ordinary run.
    pub threads: Option<u64>,
}

/// A case, measured.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Measured {
    /// Which.
    pub case: Case,
    /// The carrier, or all that were used.
    pub carrier: String,
    /// Bytes of a run, over all transfers.
    pub bytes: u64,
    /// The runs, in their order; at least one.
    pub runs: Vec<Run>,
    /// Of a run of its own, from the start of the process to its end.
    pub system_calls: Option<u64>,
}

impl Measured {
    /// The median of the runs.
    pub fn bytes_per_second(&self) -> f64 {
        self.bytes_f64() / self.median(|run| run.seconds)
    }

    /// User CPU seconds, the median of the runs.
    pub fn user_seconds_per_gibibyte(&self) -> f64 {
        self.median(|run| run.user_seconds) / (self.bytes_f64() / GIBIBYTE)
    }

    /// System CPU seconds, the median of the runs.
    pub fn system_seconds_per_gibibyte(&self) -> f64 {
        self.median(|run| run.system_seconds) / (self.bytes_f64() / GIBIBYTE)
    }

    /// The most of all runs.
    pub fn peak_memory(&self) -> u64 {
        self.runs.iter().map(|run| run.peak_memory).max().unwrap_or(0)
    }

    /// The calls of the whole process, its start and end as well.
    pub fn system_calls_per_mebibyte(&self) -> Option<f64> {
        let calls = self.system_calls?;
        Some(precise(calls) / (self.bytes_f64() / MEBIBYTE))
    }

    fn bytes_f64(&self) -> f64 {
        precise(self.bytes)
    }

    fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        median(self.runs.iter().map(of).collect())
    }

    /// Its line of the table, under [`Measurement::table_head`].
    pub fn table_line(&self) -> String {
        let mut line = format!(
            "{:<13} {:>8.2} GiB/s {:>8.3} {:>8.3} {:>7.1} MiB  {:<8}",
            self.case.as_str(),
            self.bytes_per_second() / GIBIBYTE,
            self.user_seconds_per_gibibyte(),
            self.system_seconds_per_gibibyte(),
            precise(self.peak_memory()) / MEBIBYTE,
            self.carrier,
        );
        if let Some(calls) = self.system_calls_per_mebibyte() {
            // Writing into a String does not fail.
            let _ = write!(line, " {calls:>9.2}");
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }

    fn to_json(&self) -> Value {
        let runs = self.runs.iter().map(|run| {
            json!({
                "seconds": run.seconds,
                "cpu_user_seconds": run.user_seconds,
                "cpu_system_seconds": run.system_seconds,
                "peak_memory_bytes": run.peak_memory,
                "voluntary_switches": run.voluntary_switches,
                "threads": run.threads,
            })
        });
        json!({
            "case": self.case.as_str(),
            "carrier": self.carrier,
            "bytes": self.bytes,
            "bytes_per_second": self.bytes_per_second(),
            "cpu_user_seconds_per_gib": self.user_seconds_per_gibibyte(),
            "cpu_system_seconds_per_gib": self.system_seconds_per_gibibyte(),
            "peak_memory_bytes": self.peak_memory(),
            "system_calls_per_mib": self.system_calls_per_mebibyte(),
            "runs": runs.collect::<Vec<_>>(),
        })
    }
}

/// Everything that was measured.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Measurement {
    /// Where.
    pub machine: Machine,
    /// Bytes of each transfer.
    pub size: u64,
    /// Transfers at once.
    pub parallel: usize,
    /// The container's image, if the bytes went through one.
    pub image: Option<String>,
    /// The cases.
    pub cases: Vec<Measured>,
}

impl Measurement {
    pub(super) fn new(options: &Options, cases: Vec<Measured>) -> Self {
        let Options { size, parallel, image, .. } = options;
        let machine = Machine::this();
        Self { machine, size: *size, parallel: *parallel, image: image.clone(), cases }
    }

    /// What stands above the lines of the cases.
    pub fn table_head(options: &Options) -> String {
        let calls = if options.system_calls { "  calls/MiB" } else { "" };
        format!(
            "{:<13} {:>14} {:>8} {:>8} {:>11}  carrier{calls}\n",
            "case", "rate", "user", "system", "memory"
        )
    }

    /// The data, for programs.
    pub fn to_json(&self) -> Value {
        json!({
            "gantline": env!("CARGO_PKG_VERSION"),
            "machine": self.machine.to_json(),
            "size_bytes": self.size,
            "parallel": self.parallel,
            "image": self.image,
            "cases": self.cases.iter().map(Measured::to_json).collect::<Vec<_>>(),
        })
    }
}

pub(super) const GIBIBYTE: f64 = 1_073_741_824.0;
const MEBIBYTE: f64 = 1_048_576.0;

/// As a number to divide: exact below 8 PiB.
fn precise(number: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a ratio of measured numbers")]
    let number = number as f64;
    number
}

/// The one in the middle, or half-way between the two.
fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let half = numbers.len() / 2;
    match (numbers.get(half), numbers.len() % 2) {
        (Some(upper), 0) => f64::midpoint(numbers.get(half - 1).copied().unwrap_or(*upper), *upper),
        (Some(middle), _) => *middle,
        (None, _) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(vec![7.0]), 7.0);
    }

    #[test]
    fn rates_are_of_the_median_run() {
        let run = |seconds| Run {
            seconds,
            user_seconds: 0.25,
            system_seconds: 0.5,
            peak_memory: 3 << 20,
            voluntary_switches: 1,
            threads: None,
        };
        let measured = Measured {
            case: Case::HttpFifo,
            carrier: "direct".to_owned(),
            bytes: 2 << 30,
            runs: vec![run(9.0), run(0.5), run(1.0)],
            system_calls: Some(4096),
        };
        assert_eq!(measured.bytes_per_second(), 2.0 * GIBIBYTE);
        assert_eq!(measured.system_seconds_per_gibibyte(), 0.25);
        assert_eq!(measured.system_calls_per_mebibyte(), Some(2.0));
        let line = measured.table_line();
        assert_eq!(
            line,
            "http-fifo         2.00 GiB/s    0.125    0.250     3.0 MiB  direct        2.00\n"
        );
    }
}
