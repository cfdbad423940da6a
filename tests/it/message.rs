//! Messages that Girder Worker's own client has sent, and the job documents that say the same.

use std::collections::BTreeSet;
use std::path::Path;

use gantline::JobSpec;

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
        let mut message: serde_json::Value = serde_json::from_str(message).unwrap();
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

/// The JSON pointers of all values.
fn gather(value: &serde_json::Value, path: String, places: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                gather(item, format!("{path}/{index}"), places);
            }
        }
        serde_json::Value::Object(members) => {
            for (name, member) in members {
                let name = name.replace('~', "~0").replace('/', "~1");
                gather(member, format!("{path}/{name}"), places);
            }
        }
        _ => {}
    }
    places.push(path);
}
