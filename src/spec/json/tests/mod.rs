//! What the parser makes of documents; what it says when it refuses is in `tests/it/spec.rs`.

mod limits;
mod rules;

use super::*;
use crate::spec::{
    BindMount, Direction, Fifo, FifoPlace, Sink, Source, TemporaryVolume, Volume, VolumeRef,
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
        place: FifoPlace::Volume(VolumeRef::Default),
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
    assert_eq!(place(0), VolumeRef::Listed(2));
    assert_eq!(place(1), VolumeRef::Listed(0));
    assert_eq!(place(2), VolumeRef::Listed(1));
    assert_eq!(place(3), VolumeRef::Default);
    assert_eq!(place(4), VolumeRef::Listed(1));
}
