//! What follows real tasks; what it is made of is read again as the next worker would.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::spec::JobSpec;
use crate::worker::celery::{Envelope, samples};

const DOCKER_RUN: &str = "girder_worker.docker.tasks.docker_run";
const GC: &str = r#"{"py/object": "girder_client.GirderClient", "urlBase": "http://g/api/v1/",
    "token": "TOKEN00000000000000"}"#;

fn task(name: &str) -> Task {
    let (_, envelope) = samples::envelopes().into_iter().find(|(n, _)| *n == name).unwrap();
    Envelope::parse(&samples::wire(&envelope)).unwrap().message.task().unwrap()
}

/// A task whose embed is this.
fn with_embed(args: &str, embed: &str) -> Task {
    let (_, envelope) = samples::envelopes().into_iter().find(|(n, _)| *n == "slicer").unwrap();
    let mut message = Envelope::parse(&samples::wire(&envelope)).unwrap().message;
    message.body = format!(r#"{{"py/tuple": [{args}, {{"image": "i"}}, {embed}]}}"#).into_bytes();
    message.task().unwrap()
}

fn predecessor(task: &Task) -> Predecessor<'_> {
    let now = UNIX_EPOCH + Duration::from_secs(1_795_747_239);
    Predecessor { task, queue: "q", origin: "gen1@host", now }
}

fn after_success(task: &Task) -> Vec<Follower> {
    predecessor(task).after_success(&Json::Null, || "new-id".to_owned()).unwrap()
}

fn only(task: &Task) -> Follower {
    let mut followers = after_success(task);
    assert_eq!(followers.len(), 1);
    followers.remove(0)
}

fn body(follower: &Follower) -> Json {
    serde_json::from_slice(&follower.message.body).unwrap()
}

#[test]
fn a_chain_goes_on_with_its_last_element_and_takes_the_rest_with_it() {
    let first = task("chain");
    let second = only(&first);
    assert_eq!(second.id, "7c218587-1b19-4c6b-96b5-3d4cdee29c49");
    assert_eq!((&*second.exchange, &*second.routing_key), ("", "q"));
    let read = second.message.task().unwrap();
    assert_eq!(read.head.root_id, first.head.id);
    assert_eq!(read.head.parent_id.as_ref(), Some(&first.head.id));
    assert_eq!(read.head.reply_to.as_deref(), Some("e2a3105c-fa4a-380e-8fe7-200ca913b507"));
    assert_eq!(read.head.girder.api_url, first.head.girder.api_url);
    assert_eq!(read.head.girder.token, first.head.girder.token);
    assert_eq!(read.head.girder.job, None);
    let job = JobSpec::from_message(&read.document).unwrap();
    assert!(format!("{job:?}").contains("6b08ed6a02a5488d22c99131"));

    let third = only(&read);
    assert_eq!(third.id, "54c3bf01-9931-41c5-83c2-1cc667886b8d");
    let read = third.message.task().unwrap();
    assert_eq!((&read.head.root_id, read.head.parent_id), (&first.head.id, Some(second.id)));
    assert!(read.embed.chain.is_empty());
    assert_eq!(
        body(&third),
        json!([["bb:latest"], {"pull_image": false, "container_args": ["echo", "3"]},
            {"callbacks": null, "errbacks": null, "chain": null, "chord": null}])
    );
    assert_eq!(read.head.argsrepr, "('bb:latest',)");
    assert_eq!(read.head.kwargsrepr, "{'pull_image': False, 'container_args': ['echo', '3']}");
}

#[test]
fn a_failure_ends_the_rest_of_the_chain_next_step_first() {
    let task = task("chain");
    let ids: Vec<_> = predecessor(&task).fellows().into_iter().map(|fellow| fellow.id).collect();
    assert_eq!(
        ids,
        ["7c218587-1b19-4c6b-96b5-3d4cdee29c49", "54c3bf01-9931-41c5-83c2-1cc667886b8d"]
    );
    assert!(predecessor(&task).after_failure(|| "x".to_owned()).unwrap().is_empty());
}

#[test]
fn callbacks_follow_success_and_errbacks_failure() {
    let task = task("links");
    let callback = only(&task);
    assert_eq!(callback.id, "new-id");
    assert_eq!(body(&callback)[1]["container_args"], json!(["echo", "cb"]));
    let errbacks = predecessor(&task).after_failure(|| "e".to_owned()).unwrap();
    assert_eq!(errbacks.len(), 1);
    assert_eq!(body(&errbacks[0])[1]["container_args"], json!(["echo", "eb"]));
    // Immutable: nothing comes before its own arguments.
    assert_eq!(body(&errbacks[0])[0], json!(["bb:latest"]));
}

#[test]
fn what_is_not_immutable_gets_the_result_or_the_id_first() {
    let signature = r#"{"task": "t", "args": [1], "kwargs": {}, "options": {}}"#;
    let task =
        with_embed("[]", &format!(r#"{{"callbacks": [{signature}], "errbacks": {signature}}}"#));
    assert_eq!(body(&only(&task))[0], json!([null, 1]));
    let errbacks = predecessor(&task).after_failure(|| "e".to_owned()).unwrap();
    assert_eq!(body(&errbacks[0])[0], json!([task.head.id, 1]));
    assert_eq!(errbacks[0].message.headers["argsrepr"], format!("('{}', 1)", task.head.id));
}

#[test]
fn what_stands_elsewhere_in_the_message_is_written_in_full_once() {
    // 0 the list of args, 1 the volume.
    let volume = r#"{"py/object": "girder_worker.docker.transforms.TemporaryVolume",
        "_host_path": null, "_container_path": null, "mode": "rw", "_transformed": false,
        "host_dir": null, "_mode": 511, "_instance": null}"#;
    let path = |name| {
        format!(
            r#"{{"py/object": "girder_worker.docker.transforms.VolumePath", "filename": "{name}",
                "_volume": {{"py/id": 1}}}}"#
        )
    };
    let step = format!(
        r#"{{"py/object": "celery.canvas.Signature", "task": "{DOCKER_RUN}", "args": ["bb"],
            "kwargs": {{"container_args": [{}, {}]}}, "options": {{}}, "immutable": true}}"#,
        path("a"),
        path("b")
    );
    let task = with_embed(&format!("[{volume}]"), &format!(r#"{{"chain": [{step}]}}"#));
    let next = only(&task).message.task().unwrap();
    let job = JobSpec::from_message(&next.document).unwrap();
    let args = &body(&only(&task))[1]["container_args"];
    assert_eq!(args[0]["_volume"]["host_dir"], Json::Null);
    // 0 whole, 1 args, 2 kwargs, 3 container_args, 4 path, 5 volume.
    assert_eq!(args[1]["_volume"], json!({"py/id": 5}));
    assert_eq!(format!("{job:?}").matches("TemporaryVolume").count(), 1);
}

#[test]
fn options_say_where_when_and_how() {
    let step = r#"{"task": "t", "args": [], "kwargs": {}, "immutable": true, "options": {
        "task_id": "own", "queue": "other", "priority": 7, "countdown": 61, "expires": 120,
        "time_limit": 9, "soft_time_limit": 8.5, "reply_to": "r", "ignore_result": true,
        "group_id": "g", "shadow": "s", "headers": {"x": 1, "girder_job_title": "no"},
        "link": {"task": "l", "args": [], "kwargs": {}, "options": {}, "immutable": true}}}"#;
    let follower = only(&with_embed("[]", &format!(r#"{{"callbacks": [{step}]}}"#)));
    assert_eq!((&*follower.id, &*follower.routing_key), ("own", "other"));
    let read = follower.message.task().unwrap();
    let at = |seconds| Some(UNIX_EPOCH + Duration::from_secs(seconds));
    assert_eq!((read.eta, read.expires), (at(1_795_747_300), at(1_795_747_359)));
    assert_eq!((read.time_limit.hard, read.time_limit.soft), (Some(9.0), Some(8.5)));
    assert_eq!((read.head.priority, read.head.reply_to.as_deref()), (Some(7), Some("r")));
    assert!(read.head.ignore_result);
    assert_eq!(read.head.group.as_deref(), Some("g"));
    assert_eq!(read.embed.callbacks[0].task, "l");
    let headers = &follower.message.headers;
    assert_eq!((&headers["x"], &headers["shadow"]), (&json!(1), &json!("s")));
    assert!(!headers.contains_key("girder_job_title"));
}

#[test]
fn priority_and_queue_are_inherited() {
    let mut task = task("links");
    task.head.priority = Some(6);
    let follower = only(&task);
    assert_eq!(follower.message.properties.priority, Some(6));
    assert_eq!(follower.message.properties.reply_to, task.head.reply_to);
    assert_eq!(follower.routing_key, "q");
}

#[test]
fn what_is_meant_for_girder_becomes_headers_and_a_job() {
    let hook = format!(
        r#"{{"py/object": "girder_worker.docker.transforms.girder.GirderUploadVolumePathToItem",
            "gc": {GC}, "item_id": "5f", "upload_kwargs": {{}}, "delete_file": false,
            "_volumepath": {{"py/object": "girder_worker.docker.transforms.VolumePath",
                "filename": "o", "_volume": null}}}}"#
    );
    let file = format!(
        r#"{{"py/object": "girder_worker.docker.transforms.girder.GirderFileIdToVolume",
            "gc": {GC}, "_file_id": "6b", "_volume": null, "_filename": null}}"#
    );
    let step = format!(
        r#"{{"task": "{DOCKER_RUN}", "args": ["bb"], "immutable": true,
            "kwargs": {{"container_args": [{file}, 1.5], "girder_result_hooks": [{hook}],
                "girder_job_title": "Second"}},
            "options": {{"girder_job_other_fields": {{"a": 1}}, "girder_job_public": true}}}}"#
    );
    let task = with_embed("[]", &format!(r#"{{"chain": [{step}]}}"#));
    let mut next = only(&task);
    assert_eq!(body(&next)[1].as_object().unwrap().keys().collect::<Vec<_>>(), ["container_args"]);
    let form = next.job.clone().unwrap();
    let field = |name| &form.fields.iter().find(|(other, _)| *other == name).unwrap().1;
    assert_eq!((&**field("title"), &**field("type")), ("Second", "celery"));
    assert_eq!((&**field("handler"), &**field("public")), ("celery_handler", "true"));
    assert_eq!(field("args"), r#"["bb"]"#);
    let shown = "<girder_worker.docker.transforms.girder.GirderFileIdToVolume: File ID=6b>";
    assert_eq!(*field("kwargs"), json!({"container_args": [shown, 1.5]}).to_string());
    let id = &task.head.id;
    let others = json!({"a": 1, "celeryTaskId": "new-id", "celeryParentTaskId": id});
    assert_eq!(*field("otherFields"), others.to_string());
    assert!(!format!("{form:?}").contains("TOKEN0"));

    next.set_job(json!({"method": "PUT", "url": "http://g/api/v1/job/7", "headers": {}}));
    let read = next.message.task().unwrap();
    assert_eq!(read.head.girder.job.as_ref().unwrap().id(), Some("7"));
    let job = JobSpec::from_message(&read.document).unwrap();
    assert!(format!("{job:?}").contains("5f"));
}

#[test]
fn a_follower_that_wants_no_job_has_none_and_a_parent_without_one_is_not_named() {
    let step = |options: &str| {
        let signature =
            format!(r#"{{"task": "t", "args": [], "kwargs": {{}}, "options": {options}}}"#);
        with_embed("[]", &format!(r#"{{"callbacks": [{signature}]}}"#))
    };
    assert_eq!(only(&step(r#"{"girder_job_disable": true}"#)).job, None);
    let mut task = step("{}");
    task.head.girder.job = None;
    let form = only(&task).job.unwrap();
    assert!(!format!("{form:?}").contains("celeryParentTaskId"));
}
