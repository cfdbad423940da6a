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
