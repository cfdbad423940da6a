//! What the parser makes of documents; what it says when it refuses is in `tests/it/spec.rs`.

mod girder;
mod limits;

use super::*;
use crate::spec::{
    BindMount, Direction, Fifo, FifoPlace, Sink, Source, TemporaryVolume, Volume, VolumePath,
    VolumeRef,
};

fn job(text: &str) -> JobSpec {
    match read(text) {
        Ok(job) => job,
        Err(error) => panic!("{error}\n{text}"),
    }
}

#[test]
fn the_documented_streaming_job_is_read() {
    let job = job(r#"{"image": "my/image", "container_args": [{"type": "Connect",
            "input": {"type": "GirderFileIdToStream", "id": "6b02c2bf8ed649d13bc50b4f"},
            "output": {"type": "NamedInputPipe", "name": "read_in_container"}}]}"#);
    let fifo = Fifo {
        name: "read_in_container".to_owned(),
        place: FifoPlace::Volume(VolumeRef::DEFAULT),
        direction: Direction::Input,
    };
    let [Argument::Connect(connect)] = job.container_args.as_slice() else {
        panic!("{:?}", job.container_args)
    };
    assert_eq!(connect.source, Source::GirderFile { id: "6b02c2bf8ed649d13bc50b4f".to_owned() });
    assert_eq!(connect.sink, Sink::Fifo(fifo));
}

#[test]
fn the_three_forms_of_volumes_say_the_same() {
    let bind = |mode: &str| {
        Volume::Bind(BindMount {
            host_path: "/data".to_owned(),
            container_path: "/mnt/data".to_owned(),
            mode: mode.to_owned(),
        })
    };
    for (volumes, mode) in [
        (r#"{"/data": {"bind": "/mnt/data", "mode": "ro"}}"#, "ro"),
        (r#"{"/data": {"bind": "/mnt/data", "ro": true}}"#, "ro"),
        (r#"{"/data": {"bind": "/mnt/data", "ro": false}}"#, "rw"),
        (
            r#"{"/data": {"bind": "/mnt/data", "mode": "rw", "propagation": "rshared"}}"#,
            "rw,rshared",
        ),
        (r#"{"/data": {"bind": "/mnt/data"}}"#, "rw"),
        (r#"{"/data": "/mnt/data"}"#, "rw"),
        (r#"["/data:/mnt/data"]"#, "rw"),
        (r#"["/data:/mnt/data:ro,z"]"#, "ro,z"),
        (
            r#"[{"type": "BindMountVolume", "host_path": "/data", "container_path": "/mnt/data"}]"#,
            "rw",
        ),
    ] {
        let job = job(&format!(r#"{{"image": "i", "volumes": {volumes}}}"#));
        assert_eq!(job.volumes, [bind(mode)], "{volumes}");
    }
}

#[test]
fn a_volume_that_only_a_transform_holds_is_mounted_too() {
    let job =
        job(r#"{"image": "i", "volumes": ["/a:/b", {"type": "TemporaryVolume", "name": "t"}],
            "container_args": [
              {"type": "VolumePath", "filename": "x", "volume":
                {"type": "BindMountVolume", "host_path": "/c", "container_path": "/d"}},
              {"type": "BindMountVolume", "host_path": "/a", "container_path": "/b/"},
              {"type": "TemporaryVolume", "name": "t", "host_dir": "/scratch"},
              {"type": "TemporaryVolume.default"},
              {"type": "VolumePath", "filename": "y", "volume": "t"}]}"#);
    let temporary = TemporaryVolume {
        name: Some("t".to_owned()),
        host_dir: Some("/scratch".into()),
        mode: TemporaryVolume::DEFAULT_MODE,
    };
    assert_eq!(job.volumes.len(), 3);
    assert_eq!(job.volumes[1], Volume::Temporary(temporary));
    let place = |index: usize| match &job.container_args[index] {
        Argument::Volume(volume) => *volume,
        Argument::VolumePath(path) => path.volume,
        other => panic!("{other:?}"),
    };
    assert_eq!(place(0), VolumeRef::at(2));
    assert_eq!(place(1), VolumeRef::at(0));
    assert_eq!(place(2), VolumeRef::at(1));
    assert_eq!(place(3), VolumeRef::DEFAULT);
    assert_eq!(place(4), VolumeRef::at(1));
}

#[test]
fn a_document_with_only_an_image_is_the_default_job() {
    assert_eq!(job(r#"{"image": "debian:12"}"#), JobSpec::new("debian:12"));
}

#[test]
fn null_says_the_same_as_leaving_a_member_out() {
    let nulls = job(r#"{"image": "i", "entrypoint": null, "container_args": null, "volumes": null,
            "stream_connectors": null, "girder_api_url": null, "girder_client_token": null}"#);
    assert_eq!(nulls, JobSpec::new("i"));
    let pipe = |members: &str| {
        job(&format!(
            r#"{{"image": "i", "container_args": [{{"type": "NamedInputPipe", "name": "p"{members}}}]}}"#
        ))
    };
    assert_eq!(pipe(r#", "container_path": null, "host_path": null"#), pipe(""));
    let volume = |members: &str| {
        job(&format!(r#"{{"image": "i", "volumes": [{{"type": "TemporaryVolume"{members}}}]}}"#))
    };
    assert_eq!(volume(r#", "name": null, "host_dir": null"#), volume(""));
}

#[test]
fn the_simple_members_are_read() {
    let job = job(r#"{"image": "i", "pull_image": "if-not-present", "entrypoint": "sh -c",
            "remove_container": false, "girder_api_url": "https://host/api/v1",
            "girder_client_token": "token", "container_args": ["a", 1.50, -0, 1e16]}"#);
    assert_eq!(job.pull, PullPolicy::IfNotPresent);
    assert_eq!(job.entrypoint, Some(vec!["sh -c".to_owned()]));
    assert!(!job.remove_container);
    assert_eq!(job.girder_api_url.as_deref(), Some("https://host/api/v1"));
    assert_eq!(job.girder_client_token, Some(Secret::new("token")));
    let literals = ["a", "1.5", "0", "1e+16"].map(|text| Argument::Literal(text.to_owned()));
    assert_eq!(job.container_args, literals);
    assert_eq!(self::job(r#"{"image": "i", "pull_image": false}"#).pull, PullPolicy::Never);
    assert_eq!(self::job(r#"{"image": "i", "entrypoint": []}"#).entrypoint, Some(Vec::new()));
}

#[test]
fn paths_stay_as_they_were_written() {
    let job = job(r#"{"image": "i", "volumes": ["/h/:/mnt//docker/"], "container_args": [
            {"type": "VolumePath", "filename": "a/./b/"},
            {"type": "NamedOutputPipe", "name": "d/p", "container_path": "/c/", "host_path": "/h/"}]}"#);
    let bind = BindMount {
        host_path: "/h/".to_owned(),
        container_path: "/mnt//docker/".to_owned(),
        mode: "rw".to_owned(),
    };
    assert_eq!(job.volumes, [Volume::Bind(bind)]);
    let path = VolumePath { filename: "a/./b/".to_owned(), volume: VolumeRef::DEFAULT };
    let fifo = Fifo {
        name: "d/p".to_owned(),
        place: FifoPlace::Paths { container_path: "/c/".to_owned(), host_path: "/h/".into() },
        direction: Direction::Output,
    };
    assert_eq!(job.container_args, [Argument::VolumePath(path), Argument::Fifo(fifo)]);
}

#[test]
fn a_fifo_may_be_an_argument_beside_its_connect() {
    let job = job(r#"{"image": "i", "container_args": [{"type": "NamedInputPipe", "name": "p"}],
            "stream_connectors": [{"type": "Connect",
              "input": {"type": "UrlToStream", "url": "http://host/x", "headers": {"A": "b"}},
              "output": {"type": "NamedInputPipe", "name": "p"}}]}"#);
    let [Argument::Fifo(bare)] = job.container_args.as_slice() else { panic!("{job:?}") };
    let [connect] = job.stream_connectors.as_slice() else { panic!("{job:?}") };
    assert_eq!(connect.fifo(), Some(bare));
    let Source::Url { url, headers } = &connect.source else { panic!("{connect:?}") };
    assert_eq!(url.as_url().as_str(), "http://host/x");
    assert_eq!(headers.get("A").map(Secret::expose), Some("b"));
}

#[test]
fn the_path_of_a_connect_with_two_fifos_is_the_sinks() {
    let job = job(r#"{"image": "i", "container_args": [
            {"type": "Connect", "input": {"type": "NamedOutputPipe", "name": "a"},
             "output": {"type": "NamedInputPipe", "name": "b"}},
            {"type": "Connect", "input": {"type": "NamedOutputPipe", "name": "c"},
             "output": {"type": "HostStdErr"}},
            {"type": "Connect", "input": {"type": "ContainerStdOut"},
             "output": {"type": "HostFile", "path": "/x"}}]}"#);
    let names: Vec<_> =
        job.connects().map(|connect| connect.fifo().map(|fifo| fifo.name.as_str())).collect();
    assert_eq!(names, [Some("b"), Some("c"), None]);
}
