//! The README and the manual themselves: their blocks are pasted as they stand into a shell in a fresh folder, and
//! print what is said. `worker::manual` has the chapter that needs a broker, `worker::from_python` what is Python.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::blocks::blocks;
use crate::support::girder::Girder;
use crate::support::job::{Job, connect, named_input_pipe};
use crate::support::pasted::{Shell, chapter};

#[test]
fn what_is_pasted_from_the_readme_prints_what_it_says() {
    let readme = chapter("README.md");
    assert!(readme.lines().count() <= 200, "{}", readme.lines().count());
    // A port that nobody has.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let shell = Shell::new().replacing("gantline depot ./data &", &depot(port));
    shell.replacing("127.0.0.1:8080", &format!("127.0.0.1:{port}")).prints_what_it_says(&readme);
}

#[test]
fn the_picture_is_what_its_script_draws_in_light_and_dark() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/manual/way_of_a_byte.py");
    let drawn = Command::new("python3").arg(script).output().unwrap();
    assert!(drawn.status.success(), "{drawn:?}");
    let picture = chapter("src/manual/way_of_a_byte.svg");
    assert!(
        picture.as_bytes() == drawn.stdout,
        "draw it anew: python3 src/manual/way_of_a_byte.py > src/manual/way_of_a_byte.svg"
    );
    // GitHub shows the one picture by the reader's colours: each of the light ones has a dark one.
    let (light, dark) = picture.split_once("@media (prefers-color-scheme: dark)").unwrap();
    let classes = |style: &str| -> BTreeSet<String> {
        let names = style.lines().flat_map(|line| line.split('.').skip(1));
        let name = |rest: &str| rest.split(' ').next().unwrap().to_owned();
        names.filter(|rest| rest.contains(" {")).map(name).collect()
    };
    assert_eq!(classes(light), classes(dark.split("</style>").next().unwrap()));
    assert!(chapter("README.md").contains("](src/manual/way_of_a_byte.svg)"));
}

#[test]
fn the_readme_says_which_glibc_the_command_needs() {
    let symbols = Command::new("objdump").args(["-T", env!("CARGO_BIN_EXE_gantline")]).output();
    let symbols = String::from_utf8(symbols.unwrap().stdout).unwrap();
    let versions = symbols.split("GLIBC_2.").skip(1);
    let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok();
    let needed = versions.filter_map(number).max().expect("it is linked with glibc");
    let system = std::fs::read_to_string("/etc/os-release").unwrap();
    let is_debian_12 = system.contains("ID=debian") && system.contains("VERSION_ID=\"12\"");
    let words = "Built on Debian 12, the command runs where glibc is 2.";
    let readme = chapter("README.md");
    let said = readme.split(words).nth(1).and_then(number);
    assert!(said == Some(needed) || (said.is_some() && !is_debian_12), "{said:?}, {needed}");
}

/// A depot that is up when the next command begins: who pastes by hand is slower than that.
fn depot(port: u16) -> String {
    format!(
        "gantline depot ./data --listen 127.0.0.1:{port} > depot.log & \
         until grep -q 1cbcd8c926bdcb29bcf34f09 depot.log; do sleep 0.05; done"
    )
}

#[test]
fn what_is_pasted_from_the_chapter_of_jobs_prints_what_it_says() {
    let text = chapter("src/manual/job_document.md");
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "item");
    let file = girder.add_file(&item, "in.csv", b"of Girder\n");
    let shell =
        Shell::new().env("GIRDER_API_URL", girder.api()).env("GIRDER_TOKEN", girder.token());
    let shell = shell.replacing("5f8f7c2a1b2c3d4e5f6a7b8c", &file);
    shell.replacing("5f8f7c2a1b2c3d4e5f6a7b8d", &item).prints_what_it_says(&text);
    let files = girder.files(&item);
    let (_, uploaded) = files.iter().find(|(name, _)| name == "out.csv").unwrap();
    assert_eq!(girder.content(uploaded["_id"].as_str().unwrap()), b"of Girder\n");
}

#[test]
fn what_is_pasted_from_the_other_chapters_prints_what_they_say() {
    for name in ["disk", "report", "performance", "elsewhere", "security", "troubleshooting"] {
        Shell::new().prints_what_it_says(&chapter(&format!("src/manual/{name}.md")));
    }
}

#[test]
fn the_report_of_the_manual_has_the_members_of_a_real_one() {
    let text = chapter("src/manual/report.md");
    let blocks = blocks(&text);
    let shown = blocks.iter().find(|block| block.text.contains("\"run_id\"")).unwrap();
    let shown: Value = serde_json::from_str(shown.text).unwrap();
    let girder = Girder::log_in();
    let item = girder.make_item(girder.folder(), "item");
    let file = girder.add_file(&item, "data.tif", b"of Girder\n");
    let out = json!({"type": "VolumePath", "filename": "result.json"});
    let source = json!({"type": "GirderFileIdToStream", "id": file});
    let job = Job::script("cat $1 $2 > $3")
        .arg(connect(source, named_input_pipe("in")))
        .arg(json!({"type": "GirderFileIdToVolume", "id": file}))
        .arg(out.clone())
        .set(
            "girder_result_hooks",
            json!([
                {"type": "GirderUploadVolumePathToItem", "volumepath": out, "item_id": item}
            ]),
        );
    let run = job.girder(&girder).finish();
    assert_eq!(run.code, 0, "{run}");
    assert_eq!(members(run.report.as_ref().unwrap(), "$"), members(&shown, "$"), "{run}");
}

/// The paths of all members of an object, and of the first of each list.
fn members(value: &Value, path: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    match value {
        Value::Object(members_of) => {
            for (name, value) in members_of {
                let path = format!("{path}.{name}");
                all.extend(members(value, &path));
                all.insert(path);
            }
        }
        Value::Array(items) => {
            all.extend(items.first().iter().flat_map(|item| members(item, path)))
        }
        _ => {}
    }
    all
}
