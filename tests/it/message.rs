//! Messages that Girder Worker's own client has sent, and the job documents that say the same.

use std::collections::BTreeSet;
use std::path::Path;

use gantline::JobSpec;
use serde_json::Value;

macro_rules! messages {
    ($($name:literal)*) => {
        /// Name, message, and the job document that says the same.
        pub(super) const MESSAGES: &[(&str, &str, &str)] = &[$((
            $name,
            include_str!(concat!("../messages/", $name, ".json")),
            include_str!(concat!("../messages/", $name, ".job.json")),
        )),*];
    };
}

messages! {
    "bind_mount_volume" "file_to_bind_volume" "file_to_volume" "plain" "progress" "stream_in"
    "stream_out_chunked" "stream_out_stdout" "temporary_volume_default" "upload_to_item"
    "volumes_dict"
}

#[test]
fn a_message_is_the_job_that_the_document_says() {
    for (name, message, document) in MESSAGES {
        let message =
            JobSpec::from_message(message).unwrap_or_else(|error| panic!("{name}: {error}"));
        let document =
            JobSpec::from_json(document).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(message, document, "{name}");
    }
}

#[test]
fn no_message_is_left_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let there: BTreeSet<String> =
        names.map(|name| name.to_str().unwrap().split('.').next().unwrap().to_owned()).collect();
    let tested = MESSAGES.iter().map(|(name, ..)| (*name).to_owned()).collect();
    assert_eq!(there, tested);
}

#[test]
fn no_token_of_a_message_is_shown() {
    for (name, message, _) in MESSAGES {
        let shown = format!("{:?}", JobSpec::from_message(message).unwrap());
        for secret in ["TTTT", "XXXX", "YYYY"] {
            assert!(!shown.contains(secret), "{name}: {shown}");
        }
    }
}

#[test]
fn a_damaged_message_is_refused_or_right() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let parts =
        ["\"", "{", "}", "[", "]", ",", "null", "py/id", "py/tuple", "py/set", "3", "-1", ".."];
    for _ in 0..2000 {
        let (_, message, _) = random.choice(MESSAGES).unwrap();
        let mut bytes = message.as_bytes().to_vec();
        for _ in 0..random.usize(1..6) {
            let from = random.usize(..bytes.len());
            let to = bytes.len().min(from + random.usize(0..8));
            let part = random.choice(parts).unwrap();
            bytes.splice(from..to, part.bytes());
        }
        gantline::internal::fuzzing::message(&bytes);
    }
}

#[test]
fn a_message_whose_values_were_exchanged_is_refused_or_right() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut accepted = 0;
    for _ in 0..3000 {
        let (_, message, _) = random.choice(MESSAGES).unwrap();
        let mut message: Value = serde_json::from_str(message).unwrap();
        let mut places = Vec::new();
        gather(&message, String::new(), &mut places);
        let (to, from) = (random.choice(&places).unwrap(), random.choice(&places).unwrap());
        let value = match random.u8(0..3) {
            0 => serde_json::json!({"py/id": random.u8(0..9)}),
            _ => message.pointer(from).unwrap().clone(),
        };
        *message.pointer_mut(to).unwrap() = value;
        let text = message.to_string();
        gantline::internal::fuzzing::message(text.as_bytes());
        accepted += usize::from(JobSpec::from_message(&text).is_ok());
    }
    assert!(accepted > 300, "{accepted}");
}

/// An envelope as brokers carry it: headers and body.
fn envelope(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/celery").join(name);
    let mut file: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    file["envelope"].take()
}

fn celerys(name: &str) -> JobSpec {
    let message = envelope(name).to_string();
    JobSpec::from_message(&message).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn what_celery_carries_is_a_job_whoever_sent_it() {
    let plain = celerys("send_task_plain_json.json");
    let said = r#"{"image": "bb:latest", "pull_image": false, "container_args": ["true"]}"#;
    assert_eq!(plain, JobSpec::from_json(said).unwrap());

    let slicer = celerys("slicer.json");
    assert_eq!(slicer.container_args().len(), 3);
    assert_eq!(slicer.girder_api_url(), Some("http://girder.example:8080/api/v1"));
    assert_eq!(slicer.girder_job().unwrap().id(), Some("6b08ed6b02a5488d22c99138"));

    // verify=False is not for a message to say.
    assert_eq!(celerys("girder_job_options.json").warnings().len(), 1);

    // The rest of the chain is in the embed, and refers to what is before it.
    assert_eq!(celerys("chain.json").container_args().len(), 2);
    assert_eq!(celerys("link_and_link_error.json").image(), "bb:latest");
    assert_eq!(celerys("eta_expires_priority_timelimit.json").image(), "bb:latest");
}

#[test]
fn a_hook_is_read_also_when_its_members_come_in_another_order() {
    let mut message = envelope("from_girder_with_hook.json");
    let job = JobSpec::from_message(&message.to_string()).unwrap();
    assert_eq!(job.result_hooks().len(), 1);
    // As a table of AMQP is read, whose members are sorted.
    message["headers"]["girder_result_hooks"].sort_all_objects();
    assert_eq!(JobSpec::from_message(&message.to_string()).unwrap(), job);
}

#[test]
fn a_job_moves_to_the_address_that_girder_has_for_the_worker() {
    let mut job = celerys("slicer.json");
    let from = "http://girder.example:8080/api/v1";
    job.move_girder("http://other.example/api/v1", "http://inside/api/v1").unwrap();
    assert_eq!(job, celerys("slicer.json"));
    job.move_girder(from, "http://inside/g/api/v1/").unwrap();
    assert_eq!(job.girder_api_url(), Some("http://inside/g/api/v1"));
    let address = job.girder_job().unwrap().url.as_url().as_str();
    assert_eq!(address, "http://inside/g/api/v1/job/6b08ed6b02a5488d22c99138");
    assert!(job.move_girder(from, "inside").is_err());
}

/// The JSON pointers of all values.
fn gather(value: &Value, path: String, places: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                gather(item, format!("{path}/{index}"), places);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                gather(member, format!("{path}/{name}"), places);
            }
        }
        _ => {}
    }
    places.push(path);
}
