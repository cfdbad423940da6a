//! What came of a run, and the report of it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::event::{Finish, Phase, TransferId};
use crate::hook::Uploaded;
use crate::pump::Carrier;

/// What came of a run that went as it could: the container's end, whichever it was.
///
/// A container that exits with 3 or is killed is an outcome; so is a run that was cancelled.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Outcome {
    /// What happened, in numbers.
    pub report: Report,
    is_stdout_closed: bool,
}

impl Outcome {
    /// That of a run whose output was read to its end.
    pub(crate) fn of(report: Report) -> Self {
        Self { report, is_stdout_closed: false }
    }

    pub(super) fn with_closed_stdout(self, is_stdout_closed: bool) -> Self {
        Self { is_stdout_closed, ..self }
    }

    /// Whether nobody read our standard output any more, and that was to end the run: see
    /// [`ClosedStdout::Stop`](super::ClosedStdout::Stop).
    pub fn is_stdout_closed(&self) -> bool {
        self.is_stdout_closed
    }

    /// The container's exit code; none when the run was cancelled before it ran.
    pub fn exit_code(&self) -> Option<i64> {
        self.report.exit_code
    }

    /// The signal that ended the container's first process, as its exit code tells.
    pub fn signal(&self) -> Option<i32> {
        let signal = i32::try_from(self.report.exit_code? - 128).ok()?;
        (1..=64).contains(&signal).then_some(signal)
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.report.cancelled
    }
}

/// One run in numbers. It holds no token, header, or query of a URL. Serialised as `--report` writes it.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The run's own id; the container's name and label hold it.
    pub run_id: String,
    /// The container's id, when one was made.
    pub container_id: Option<String>,
    /// The image reference.
    pub image: String,
    /// The image that the container was made of: the digest of its configuration.
    pub image_id: Option<String>,
    /// The engine's name and version.
    pub engine: Option<String>,
    /// The container's exit code, when it ran.
    pub exit_code: Option<i64>,
    /// Whether the kernel killed something in it for want of memory, as the engine says.
    pub oom_killed: bool,
    /// Whether the run was cancelled.
    pub cancelled: bool,
    /// The most memory that the container held at a time, in bytes, as the kernel counts it; none where its control
    /// group cannot be read.
    pub memory_peak: Option<u64>,
    /// The time that the container had the processor, in seconds; none where its control group cannot be read.
    #[serde(serialize_with = "in_milliseconds_if_known")]
    pub cpu_seconds: Option<f64>,
    /// The phases that the run went through, in their order, and how long each took.
    #[serde(serialize_with = "as_map")]
    pub phases: Vec<(Phase, Duration)>,
    /// The transfers that began, in the plan's order.
    pub transfers: Vec<TransferRecord>,
    /// The files that were mounted in place of a download, then those that were downloaded into
    /// volumes, in the order in which they came.
    pub downloads: Vec<DownloadRecord>,
    /// The files that were streamed into items, then those that hooks uploaded.
    pub uploads: Vec<UploadRecord>,
    /// The result hooks that were carried out, in their order, each with its own uploads.
    pub hooks: Vec<HookRecord>,
    /// What stays on this host: results that could not be put into Girder, and volumes that were to stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptRecord>,
    /// What the user should know and that failed nothing.
    pub warnings: Vec<String>,
    /// Why the run failed.
    pub error: Option<String>,
    /// How the container failed, if it did: its exit code, the signal's name, want of memory.
    pub failure: Option<String>,
    /// The last twenty lines of the container's standard error, if the container or the run failed.
    pub stderr_tail: Vec<String>,
}

/// One transfer in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TransferRecord {
    /// What events call it.
    #[serde(skip)]
    pub id: TransferId,
    /// `girder:<id>`, `url:<host>`, `file:<path>`, `fifo:<name>`, `container:stdout`.
    pub source: String,
    /// `fifo:<name>`, `file:<path>`, `host:stdout`, `girder:item/<id>/<name>`.
    pub sink: String,
    /// Bytes that the sink took.
    pub bytes: u64,
    /// From the first byte to the last.
    #[serde(serialize_with = "in_milliseconds")]
    pub seconds: f64,
    /// How the bytes travelled last.
    #[serde(serialize_with = "carrier")]
    pub carrier: Carrier,
    /// How often the source was resumed.
    pub resumed: u32,
    /// Whether what was delivered has the SHA-512 of Girder's record; only files of Girder's are held against one.
    pub checked: bool,
    /// How it ended.
    #[serde(serialize_with = "finish")]
    pub finish: Finish,
}

/// One download into a volume in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct DownloadRecord {
    /// What events call it; none of a file that was mounted.
    #[serde(skip)]
    pub id: Option<TransferId>,
    /// The file's id; none of a file that came in a zip, which does not tell it.
    pub file_id: Option<String>,
    /// The item that it is the only file of, if its own id is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_id: Option<String>,
    /// Its path in the volume.
    pub path: String,
    /// Bytes that were written.
    pub bytes: u64,
    /// From the first byte to the last.
    #[serde(serialize_with = "in_milliseconds")]
    pub seconds: f64,
    /// How it came to the volume.
    #[serde(serialize_with = "download_carrier")]
    pub carrier: DownloadCarrier,
    /// How often it was resumed.
    pub resumed: u32,
    /// Whether its SHA-512 is the one in Girder's record; a record may have none.
    pub checked: bool,
    /// How it ended.
    #[serde(serialize_with = "finish")]
    pub finish: Finish,
}

/// How a file of a volume came there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DownloadCarrier {
    /// The file is this host's, and was mounted.
    Mount,
    /// It came from Girder in a zip, with others.
    Zip,
    /// It was moved.
    Moved(Carrier),
    /// It broke off; nothing is known of its way.
    Unknown,
}

impl DownloadCarrier {
    /// The report's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mount => "mount",
            Self::Zip => "zip",
            Self::Moved(carrier) => carrier.as_str(),
            Self::Unknown => "",
        }
    }
}

/// One file that was uploaded.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UploadRecord {
    /// The item that it is in; none of an artifact.
    pub item_id: Option<String>,
    /// The file; none of an artifact.
    pub file_id: Option<String>,
    /// What it is called in Girder.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// From the request with its first byte to the answer that Girder has it.
    #[serde(serialize_with = "in_milliseconds")]
    pub seconds: f64,
    /// The job that it is an artifact of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<String>,
}

/// One result hook, and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HookRecord {
    /// Its name, and where it leads.
    pub hook: String,
    /// How it ended.
    #[serde(serialize_with = "finish")]
    pub finish: Finish,
    /// The files that it uploaded, also before it failed.
    pub uploads: Vec<UploadRecord>,
    /// Why it failed.
    pub error: Option<String>,
}

impl Default for HookRecord {
    fn default() -> Self {
        Self { hook: String::new(), finish: Finish::Complete, uploads: Vec::new(), error: None }
    }
}

/// Something of a run that stays on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeptRecord {
    /// Where it is.
    pub path: PathBuf,
    /// The command that puts it where it was to go, for a shell; none of a volume that stays for other
    /// reasons.
    pub command: Option<String>,
}

impl fmt::Display for KeptRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} stays", self.path.display())?;
        self.command.iter().try_for_each(|command| write!(f, "; this uploads it: {command}"))
    }
}

impl Report {
    /// The report as it is written to a file.
    pub fn to_json(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl From<Uploaded> for UploadRecord {
    fn from(uploaded: Uploaded) -> Self {
        let Uploaded { item_id, file_id, job_id, name, bytes, took } = uploaded;
        Self { item_id, file_id, job_id, name, bytes, seconds: took.as_secs_f64() }
    }
}

fn as_map<S: Serializer>(phases: &[(Phase, Duration)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(phases.iter().map(|(phase, took)| (phase.as_str(), rounded(took.as_secs_f64()))))
}

/// A word of the report's in place of what it stands for.
macro_rules! as_word {
    ($($word:ident: $of:ty),*) => {
        $(fn $word<S: Serializer>(of: &$of, to: S) -> Result<S::Ok, S::Error> {
            to.serialize_str(of.as_str())
        })*
    };
}

as_word! { finish: Finish, carrier: Carrier, download_carrier: DownloadCarrier }

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls gets a reference")]
fn in_milliseconds<S: Serializer>(seconds: &f64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(rounded(*seconds))
}

fn in_milliseconds_if_known<S: Serializer>(
    seconds: &Option<f64>,
    to: S,
) -> Result<S::Ok, S::Error> {
    seconds.map(rounded).serialize(to)
}

/// Milliseconds are enough to read, and all that is meant.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_reads_as_documented() {
        let report = Report {
            run_id: "r".to_owned(),
            image: "busybox".to_owned(),
            exit_code: Some(0),
            phases: vec![(Phase::Prepare, Duration::from_micros(100_400))],
            transfers: vec![TransferRecord {
                id: TransferId::new(0),
                source: "girder:5f".to_owned(),
                sink: "fifo:in".to_owned(),
                bytes: 4_294_967_296,
                seconds: 1.9,
                carrier: Carrier::Direct,
                resumed: 0,
                checked: false,
                finish: Finish::Complete,
            }],
            ..Report::default()
        };
        assert_eq!(
            report.to_json().to_string(),
            r#"{"run_id":"r","container_id":null,"image":"busybox","image_id":null,"engine":null,"exit_code":0,"oom_killed":false,"cancelled":false,"memory_peak":null,"cpu_seconds":null,"phases":{"prepare":0.1},"transfers":[{"source":"girder:5f","sink":"fifo:in","bytes":4294967296,"seconds":1.9,"carrier":"direct","resumed":0,"checked":false,"finish":"complete"}],"downloads":[],"uploads":[],"hooks":[],"warnings":[],"error":null,"failure":null,"stderr_tail":[]}"#
        );
    }

    #[test]
    fn a_signal_is_read_off_the_exit_code() {
        let outcome = |exit_code| Outcome::of(Report { exit_code, ..Report::default() });
        assert_eq!(outcome(Some(137)).signal(), Some(9));
        assert_eq!(outcome(Some(3)).signal(), None);
        assert_eq!(outcome(Some(255)).signal(), None);
        assert_eq!(outcome(None).signal(), None);
    }
}
