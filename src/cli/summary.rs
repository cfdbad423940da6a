//! The end of a run in three lines: `gantline run --summary`.

use std::time::Duration;

use super::{plain, render};
use crate::run::Report;
use crate::sys::pipe::PIPE_BYTES;

/// What takes less was there before anybody read.
const MEASURED: Duration = Duration::from_millis(10);

/// How the run ended, how long it took and what the container used; what it moved; and what it was.
pub(super) fn lines(report: &Report) -> [String; 3] {
    [end(report), moved(report), what(report)]
}

fn end(report: &Report) -> String {
    let end = match (report.exit_code, &report.failure) {
        (Some(code), None) => format!("exit code {code}"),
        (Some(_), Some(failure)) => failure.clone(),
        (None, _) => "no container has run".to_owned(),
    };
    let whole: Duration = report.phases.iter().map(|(_, took)| *took).sum();
    let phases: Vec<_> = report
        .phases
        .iter()
        .map(|(phase, took)| format!("{} {:.1}", phase.as_str(), took.as_secs_f64()))
        .collect();
    let memory = report.memory_peak.map(|peak| format!("; memory {}", render::bytes(peak)));
    let processor = report.cpu_seconds.map(|seconds| format!(", processor {seconds:.1} s"));
    let used = memory.into_iter().chain(processor).collect::<String>();
    let (image, whole) = (&report.image, whole.as_secs_f64());
    format!("{image}: {end}, {whole:.1} s ({}){used}", phases.join(", "))
}

fn moved(report: &Report) -> String {
    let transfers = report.transfers.iter().map(|transfer| {
        (format!("{} → {}", transfer.source, transfer.sink), transfer.bytes, transfer.seconds)
    });
    let downloads = report.downloads.iter().map(|download| {
        let source = match (&download.file_id, &download.item_id) {
            (Some(id), _) => format!("girder:{id}"),
            (None, id) => format!("girder:item/{}", id.as_deref().unwrap_or_default()),
        };
        (format!("{source} → {}", download.path), download.bytes, download.seconds)
    });
    let uploads = report.uploads.iter();
    let uploads = uploads.map(|upload| (upload.name.clone(), upload.bytes, upload.seconds));
    let moved = most_of(&transfers.chain(downloads).collect::<Vec<_>>());
    format!("moved {moved}; uploaded {}", most_of(&uploads.collect::<Vec<_>>()))
}

/// All bytes, and the rate of what had most of them; each is its label, bytes and seconds.
fn most_of(all: &[(String, u64, f64)]) -> String {
    let bytes = all.iter().map(|(_, bytes, _)| *bytes).fold(0, u64::saturating_add);
    let most = all.iter().max_by_key(|(_, bytes, _)| *bytes).filter(|(_, bytes, _)| *bytes > 0);
    let most = most.map(|(label, bytes, seconds)| {
        let took = Duration::try_from_secs_f64(*seconds).unwrap_or_default();
        // What a pipe has held is there at once.
        let was_held = *bytes <= PIPE_BYTES as u64 && took < MEASURED;
        let rate = (!was_held).then(|| format!(" at {}", plain::rate(*bytes, took)));
        format!(", most by {label}: {}{}", render::bytes(*bytes), rate.unwrap_or_default())
    });
    format!("{}{}", render::bytes(bytes), most.unwrap_or_default())
}

fn what(report: &Report) -> String {
    let container = report.container_id.as_deref().and_then(|id| id.get(..12));
    let container = container.map(|id| format!(", container {id}")).unwrap_or_default();
    let image = report.image_id.as_deref().and_then(|id| id.get(..19));
    let image = image.map(|id| format!(", image {id}")).unwrap_or_default();
    let engine = report.engine.as_deref().map(|engine| format!(", {engine}")).unwrap_or_default();
    let warnings = match report.warnings.len() {
        1 => "1 warning".to_owned(),
        count => format!("{count} warnings"),
    };
    let error = if report.error.is_some() { ", and failed" } else { "" };
    format!("run {}{container}{image}{engine}: {warnings}{error}", report.run_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Phase;
    use crate::run::UploadRecord;

    #[test]
    fn what_came_and_what_went_up_have_the_rate_of_the_largest() {
        let upload = |name: &str, bytes, seconds| UploadRecord {
            name: name.to_owned(),
            bytes,
            seconds,
            item_id: None,
            file_id: None,
            job_id: None,
        };
        let uploads = vec![upload("small", 1 << 20, 0.2), upload("large.tif", 512 << 20, 4.0)];
        let report = Report { uploads, ..Report::default() };
        assert_eq!(
            moved(&report),
            "moved 0 B; uploaded 513.00 MiB, most by large.tif: 512.00 MiB at 128.00 MiB/s"
        );
    }

    #[test]
    fn a_run_is_three_lines() {
        let report = Report {
            run_id: "5f".to_owned(),
            image: "busybox".to_owned(),
            exit_code: Some(0),
            container_id: Some("0123456789abcdef".to_owned()),
            phases: vec![
                (Phase::Prepare, Duration::from_millis(100)),
                (Phase::Stream, Duration::from_millis(2300)),
            ],
            memory_peak: Some(64 << 20),
            cpu_seconds: Some(1.2),
            image_id: Some(format!("sha256:{}", "ab".repeat(32))),
            engine: Some("Docker 20.10.24".to_owned()),
            ..Report::default()
        };
        assert_eq!(
            lines(&report),
            [
                "busybox: exit code 0, 2.4 s (prepare 0.1, stream 2.3); memory 64.00 MiB, processor 1.2 s",
                "moved 0 B; uploaded 0 B",
                "run 5f, container 0123456789ab, image sha256:abababababab, Docker 20.10.24: 0 warnings",
            ]
        );
    }
}
