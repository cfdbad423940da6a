//! Downloads, uploads, streams out, progress, and the job in Girder.

use std::collections::BTreeMap;

use serde_json::json;

use super::job;
use crate::spec::{
    Argument, Connect, Direction, Download, Downloaded, Fifo, FifoPlace, GirderJob, Hook, HttpUrl,
    JobSpec, Metadata, Problem, Secret, Sink, Source, UploadOptions, VolumePath, VolumeRef,
};

fn argument(argument: &str) -> Argument {
    let job = job(&format!(r#"{{"image": "i", "container_args": [{argument}]}}"#));
    job.container_args.into_iter().next().unwrap()
}

fn hook(hook: &str) -> Hook {
    let job = job(&format!(r#"{{"image": "i", "girder_result_hooks": [{hook}]}}"#));
    job.result_hooks.into_iter().next().unwrap()
}

fn out() -> VolumePath {
    VolumePath { filename: "out".to_owned(), volume: VolumeRef::DEFAULT }
}

#[test]
fn downloads_are_read() {
    let id = "5f".to_owned();
    let file = |filename: Option<&str>, direct: Option<&str>| Downloaded::File {
        id: "5f".to_owned(),
        filename: filename.map(str::to_owned),
        direct: direct.map(Into::into),
    };
    let folder_name = Some("in".to_owned());
    for (members, what) in [
        (r#""type": "GirderFileIdToVolume""#, file(None, None)),
        (r#""type": "GirderFileIdToVolume", "filename": "a/b""#, file(Some("a/b"), None)),
        (r#""type": "DirectGirderFileIdToVolume""#, file(None, None)),
        (
            r#""type": "DirectGirderFileIdToVolume", "direct_file_path": "/s/a.svs""#,
            file(Some("a.svs"), Some("/s/a.svs")),
        ),
        (
            r#""type": "DirectGirderFileIdToVolume", "direct_file_path": "/s/a", "filename": "b""#,
            file(Some("b"), Some("/s/a")),
        ),
        (r#""type": "GirderItemIdToVolume""#, Downloaded::Item { id: id.clone() }),
        (
            r#""type": "GirderFolderIdToVolume", "folder_name": "in""#,
            Downloaded::Folder { id, folder_name },
        ),
    ] {
        let download = Download { what, volume: VolumeRef::DEFAULT };
        let read = argument(&format!(r#"{{{members}, "id": "5f"}}"#));
        assert_eq!(read, Argument::Download(download), "{members}");
    }
    let bound = argument(
        r#"{"type": "GirderItemIdToVolume", "id": "5f", "volume":
            {"type": "BindMountVolume", "host_path": "/a", "container_path": "/b"}}"#,
    );
    let Argument::Download(download) = bound else { panic!("{bound:?}") };
    assert_eq!(download.volume.listed(), Some(0));
}

#[test]
fn hooks_are_read() {
    let path = r#""volumepath": {"type": "VolumePath", "filename": "out"}"#;
    let read =
        hook(&format!(r#"{{"type": "GirderUploadVolumePathToItem", {path}, "item_id": "5e"}}"#));
    let options = UploadOptions::default();
    assert_eq!(read, Hook::UploadToItem { path: out(), item_id: "5e".to_owned(), options });

    let read = hook(&format!(
        r#"{{"type": "GirderUploadVolumePathToFolder", {path}, "folder_id": "5d",
            "delete_file": true, "upload_on_exception": true, "must_exist": false,
            "upload_kwargs": {{"reference": "r", "mimeType": "text/csv"}}}}"#
    ));
    let options = UploadOptions {
        delete_file: true,
        upload_on_exception: true,
        must_exist: false,
        reference: Some("r".to_owned()),
        mime_type: Some("text/csv".to_owned()),
    };
    assert_eq!(read, Hook::UploadToFolder { path: out(), folder_id: "5d".to_owned(), options });

    let read = hook(&format!(
        r#"{{"type": "GirderUploadVolumePathJobArtifact", {path}, "job_id": "5c", "name": "n",
            "upload_on_exception": true}}"#
    ));
    let (job_id, name) = (Some("5c".to_owned()), Some("n".to_owned()));
    let artifact = Hook::JobArtifact { path: out(), job_id, name, upload_on_exception: true };
    assert_eq!(read, artifact);
}

#[test]
fn metadata_are_values_or_a_file_with_values() {
    let metadata = |metadata: &str| {
        let read = hook(&format!(
            r#"{{"type": "GirderItemMetadata", "item_id": "5e", "metadata": {metadata}}}"#
        ));
        match read {
            Hook::ItemMetadata { item_id, metadata } if item_id == "5e" => metadata,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(metadata(r#"{"type": "VolumePath", "filename": "out"}"#), Metadata::File(out()));
    let values = json!({"type": "mine", "n": [1, -2, 2.5, 18446744073709551615_u64],
                        "deep": {"x": null, "y": false}});
    let read = Metadata::Values(values.as_object().unwrap().clone());
    assert_eq!(metadata(&values.to_string()), read);
}

#[test]
fn streams_out_are_read() {
    let sink = |sink: &str| {
        let job = job(&format!(
            r#"{{"image": "i", "stream_connectors": [{{"type": "Connect",
                "input": {{"type": "ContainerStdOut"}}, "output": {sink}}}]}}"#
        ));
        job.stream_connectors.into_iter().next().unwrap().sink
    };
    let url = HttpUrl::parse("http://h/s?a=b").unwrap();
    let headers = BTreeMap::from([("Girder-Token".to_owned(), Secret::new("t"))]);
    assert_eq!(
        sink(
            r#"{"type": "ChunkedTransferEncodingStream", "url": "http://h/s?a=b",
                "headers": {"Girder-Token": "t"}}"#
        ),
        Sink::ChunkedPost { url, headers }
    );
    let (item_id, name) = ("5e".to_owned(), "n".to_owned());
    assert_eq!(
        sink(r#"{"type": "GirderStreamToItem", "item_id": "5e", "name": "n", "size": 4294967296}"#),
        Sink::GirderItem { item_id, name, size: Some(4_294_967_296) }
    );
}

#[test]
fn progress_has_a_fifo_of_its_own_and_nobody_else_has_it() {
    let progress = |name: &str| {
        let place = FifoPlace::Volume(VolumeRef::DEFAULT);
        let fifo = Fifo { name: name.to_owned(), place, direction: Direction::Output };
        Argument::Connect(Box::new(Connect::new(Source::Fifo(fifo), Sink::Progress)))
    };
    let read = argument(r#"{"type": "ProgressPipe"}"#);
    assert_eq!(read, progress(Fifo::PROGRESS));
    let read = argument(r#"{"type": "ProgressPipe", "name": "p"}"#);
    assert_eq!(read, progress("p"));
    let error = JobSpec::from_json(
        r#"{"image": "i", "container_args": [{"type": "ProgressPipe"}, {"type": "ProgressPipe"}]}"#,
    );
    assert!(
        matches!(error.unwrap_err().problem(), Problem::FifoTaken(name) if name == Fifo::PROGRESS)
    );
}

#[test]
fn the_server_and_its_token_can_be_arguments() {
    assert_eq!(argument(r#"{"type": "GirderApiUrl"}"#), Argument::GirderApiUrl);
    assert_eq!(argument(r#"{"type": "GirderToken"}"#), Argument::GirderToken);
}

#[test]
fn the_job_in_girder_is_read() {
    let read = job(r#"{"image": "i", "girder_job": {"url": "http://h/api/v1/job/5c",
            "headers": {"Girder-Token": "SECRET"}, "method": "POST"}}"#);
    assert!(!format!("{read:?}").contains("SECRET"));
    let headers = BTreeMap::from([("Girder-Token".to_owned(), Secret::new("SECRET"))]);
    let url = HttpUrl::parse("http://h/api/v1/job/5c").unwrap();
    let method = "POST".to_owned();
    assert_eq!(
        read.girder_job,
        Some(GirderJob { url, headers, method, session: crate::spec::GirderSession::default() })
    );
    let read = job(r#"{"image": "i", "girder_job": {"url": "http://h/api/v1/job/5c"}}"#);
    assert_eq!(read.girder_job.map(|job| job.method), Some(GirderJob::METHOD.to_owned()));
}

#[test]
fn what_we_read_and_write_ourselves_is_in_a_folder_of_the_host() {
    let named = r#"{"type": "BindMountVolume", "host_path": "named", "container_path": "/b"}"#;
    let path = format!(r#"{{"type": "VolumePath", "filename": "out", "volume": {named}}}"#);
    for (member, value, what) in [
        (
            "container_args",
            format!(r#"{{"type": "GirderFileIdToVolume", "id": "5f", "volume": {named}}}"#),
            "the download of `5f`",
        ),
        (
            "container_args",
            format!(r#"{{"type": "ProgressPipe", "volume": {named}}}"#),
            "the FIFO `.girder_progress`",
        ),
        (
            "girder_result_hooks",
            format!(r#"{{"type": "GirderUploadVolumePathJobArtifact", "volumepath": {path}}}"#),
            "the upload of `out`",
        ),
        (
            "girder_result_hooks",
            format!(r#"{{"type": "GirderItemMetadata", "item_id": "5e", "metadata": {path}}}"#),
            "the upload of `out`",
        ),
    ] {
        let text = format!(r#"{{"image": "i", "{member}": [{value}]}}"#);
        let error = JobSpec::from_json(&text).unwrap_err().to_string();
        let expected = format!("{what} needs a folder of the host, and `named` is the engine's");
        assert!(error.contains(&expected), "{error}");
    }
    // The container may still be given it.
    assert!(matches!(argument(&path), Argument::VolumePath(_)));
}
