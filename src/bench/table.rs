//! What was measured, for people and for programs.

use std::fmt::{self, Write};

use serde_json::{Value, json};

use super::begun::Begun;
use super::case::Case;
use super::machine::Machine;
use super::measure::Options;
use super::other::Other;
use super::spread::Spread;

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

impl Run {
    fn seconds(&self) -> f64 {
        self.seconds
    }

    fn cpu_seconds(&self) -> f64 {
        self.user_seconds + self.system_seconds
    }

    fn to_json(self) -> Value {
        json!({
            "seconds": self.seconds,
            "cpu_user_seconds": self.user_seconds,
            "cpu_system_seconds": self.system_seconds,
            "peak_memory_bytes": self.peak_memory,
            "voluntary_switches": self.voluntary_switches,
            "threads": self.threads,
        })
    }
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
    /// How many files those are, where there are many small ones.
    pub files: Option<usize>,
    /// The runs, in their order; at least one.
    pub runs: Vec<Run>,
    /// Those of the other build, if there is one: each beside ours of the same number.
    pub others: Vec<Run>,
    /// Of a run of its own, from the start of the process to its end.
    pub system_calls: Option<u64>,
}

impl Measured {
    /// The median of the runs.
    pub fn bytes_per_second(&self) -> f64 {
        self.bytes_f64() / self.median(|run| run.seconds)
    }

    /// Of many small files: the median of the runs.
    pub fn files_per_second(&self) -> Option<f64> {
        Some(self.files_f64()? / self.median(|run| run.seconds))
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

    fn files_f64(&self) -> Option<f64> {
        self.files.map(|files| precise(u64::try_from(files).unwrap_or(u64::MAX)))
    }

    fn median(&self, of: impl Fn(&Run) -> f64) -> f64 {
        self.spread(of).median()
    }

    fn spread(&self, of: impl Fn(&Run) -> f64) -> Spread {
        Spread::of(self.runs.iter().map(of))
    }

    /// What this build needs of what the other needs.
    fn ratio(&self, of: fn(&Run) -> f64) -> Option<Ratio> {
        let ours = self.spread(of).median();
        let other = Spread::of(self.others.iter().map(of)).median();
        let pairs = self.runs.iter().zip(&self.others).map(|(our, other)| of(our) / of(other));
        let pairs = Spread::of(pairs.filter(|ratio| ratio.is_finite()));
        (other > 0.0).then(|| Ratio { of_medians: ours / other, pairs })
    }

    /// Its line of the table, under [`Measurement::table_head`].
    pub fn table_line(&self) -> String {
        let rate = match self.files_per_second() {
            Some(files) => format!("{files:>6.0} files/s"),
            None => format!("{:>8.2} GiB/s", self.bytes_per_second() / GIBIBYTE),
        };
        let (user, system) = match self.files_f64() {
            Some(files) => (
                self.median(|run| run.user_seconds) / files * MILLISECONDS,
                self.median(|run| run.system_seconds) / files * MILLISECONDS,
            ),
            None => (self.user_seconds_per_gibibyte(), self.system_seconds_per_gibibyte()),
        };
        let mut line = format!(
            "{:<13} {rate} {user:>8.3} {system:>8.3} {:>7.1} MiB  {:<8}",
            self.case.as_str(),
            precise(self.peak_memory()) / MEBIBYTE,
            self.carrier,
        );
        if let Some(calls) = self.system_calls_per_mebibyte() {
            // Writing into a String does not fail.
            let _ = write!(line, " {calls:>9.2}");
        }
        line.truncate(line.trim_end().len());
        if let Some(ratio) = self.ratio(Run::seconds) {
            let _ = write!(line, "\n{:<13} time {ratio}", "  ours/other");
        }
        if let Some(ratio) = self.ratio(Run::cpu_seconds) {
            let _ = write!(line, "; CPU {ratio}");
        }
        line.push('\n');
        line
    }

    fn to_json(&self) -> Value {
        let against = (!self.others.is_empty()).then(|| {
            json!({
                "seconds": Spread::of(self.others.iter().map(Run::seconds)).to_json(),
                "cpu_seconds": Spread::of(self.others.iter().map(Run::cpu_seconds)).to_json(),
                "ratio_of_seconds": self.ratio(Run::seconds).map(|ratio| ratio.to_json()),
                "ratio_of_cpu_seconds": self.ratio(Run::cpu_seconds).map(|ratio| ratio.to_json()),
                "runs": self.others.iter().map(|run| run.to_json()).collect::<Vec<_>>(),
            })
        });
        json!({
            "case": self.case.as_str(),
            "carrier": self.carrier,
            "bytes": self.bytes,
            "files": self.files,
            "files_per_second": self.files_per_second(),
            "bytes_per_second": self.bytes_per_second(),
            "cpu_user_seconds_per_gib": self.user_seconds_per_gibibyte(),
            "cpu_system_seconds_per_gib": self.system_seconds_per_gibibyte(),
            "peak_memory_bytes": self.peak_memory(),
            "system_calls_per_mib": self.system_calls_per_mebibyte(),
            "seconds": self.spread(Run::seconds).to_json(),
            "cpu_seconds": self.spread(Run::cpu_seconds).to_json(),
            "runs": self.runs.iter().map(|run| run.to_json()).collect::<Vec<_>>(),
            "against": against,
        })
    }
}

/// A number of this build's by that of the other.
struct Ratio {
    of_medians: f64,
    /// Of each pair.
    pairs: Spread,
}

impl Ratio {
    fn to_json(&self) -> Value {
        json!({ "of_medians": self.of_medians, "pairs": self.pairs.to_json() })
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [least, lower, median, upper, most] = self.pairs.five();
        let medians = self.of_medians;
        write!(f, "{medians:.2} ({least:.2} {lower:.2} {median:.2} {upper:.2} {most:.2})")
    }
}

/// Everything that was measured.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Measurement {
    /// Where.
    pub machine: Machine,
    /// When, and how busy the machine was.
    pub begun: Begun,
    /// The build that this one was compared with.
    pub other: Option<Other>,
    /// How often each case was measured.
    pub runs: usize,
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
    pub(super) fn new(
        options: &Options,
        begun: Begun,
        other: Option<Other>,
        cases: Vec<Measured>,
    ) -> Self {
        let Options { size, parallel, runs, .. } = *options;
        let (machine, image) = (Machine::this(), options.image.clone());
        Self { machine, begun, other, runs, size, parallel, image, cases }
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
            "begun": self.begun.to_json(),
            "machine": self.machine.to_json(),
            "against": self.other.as_ref().map(Other::to_json),
            "size_bytes": self.size,
            "parallel": self.parallel,
            "runs": self.runs,
            "image": self.image,
            "cases": self.cases.iter().map(Measured::to_json).collect::<Vec<_>>(),
        })
    }
}

pub(super) const GIBIBYTE: f64 = 1_073_741_824.0;
const MEBIBYTE: f64 = 1_048_576.0;
const MILLISECONDS: f64 = 1000.0;

/// As a number to divide: exact below 8 PiB.
fn precise(number: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a ratio of measured numbers")]
    let number = number as f64;
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(seconds: f64, (user_seconds, system_seconds): (f64, f64)) -> Run {
        let (peak_memory, voluntary_switches, threads) = (3 << 20, 1, None);
        Run { seconds, user_seconds, system_seconds, peak_memory, voluntary_switches, threads }
    }

    #[test]
    fn rates_are_of_the_median_run() {
        let run = |seconds| run(seconds, (0.25, 0.5));
        let measured = Measured {
            case: Case::HttpFifo,
            carrier: "direct".to_owned(),
            bytes: 2 << 30,
            files: None,
            runs: vec![run(9.0), run(0.5), run(1.0)],
            others: Vec::new(),
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

    #[test]
    fn many_small_files_have_a_rate_of_files_and_the_time_of_one() {
        let measured = Measured {
            case: Case::ManyUp,
            carrier: "upload".to_owned(),
            bytes: 4000 << 11,
            files: Some(4000),
            runs: vec![run(0.5, (0.4, 0.2))],
            others: Vec::new(),
            system_calls: None,
        };
        assert_eq!(measured.files_per_second(), Some(8000.0));
        assert_eq!(
            measured.table_line(),
            "many-up         8000 files/s    0.100    0.050     3.0 MiB  upload\n"
        );
        assert_eq!(measured.to_json()["files"], 4000);
    }

    #[test]
    fn two_builds_are_compared_by_their_medians_and_pair_by_pair() {
        let run = |seconds| run(seconds, (0.0, 0.0));
        let measured = Measured {
            case: Case::HttpFifo,
            carrier: "direct".to_owned(),
            bytes: 2 << 30,
            files: None,
            runs: vec![run(1.0), run(2.0), run(3.0)],
            others: vec![run(2.0), run(2.0), run(2.0)],
            system_calls: None,
        };
        let line = measured.table_line();
        // No CPU time was to be measured: a ratio of nothing is not shown.
        assert!(line.ends_with("\n  ours/other  time 1.00 (0.50 0.75 1.00 1.25 1.50)\n"), "{line}");
        let against = &measured.to_json()["against"];
        assert_eq!(against["ratio_of_seconds"]["pairs"]["most"], 1.5);
        assert_eq!(against["seconds"]["median"], 2.0);
        assert!(against["ratio_of_cpu_seconds"].is_null(), "{against}");
    }
}
