//! What holds of every row.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::row::Row;
use super::rows;
use crate::spec::JobSpec;
use crate::spec::json::table::{Member, Role};

const ROLES: &[Role] = &[
    Role::Argument,
    Role::Volume,
    Role::Path,
    Role::Part,
    Role::Connect,
    Role::Source,
    Role::ContainerSource,
    Role::Sink,
    Role::ContainerSink,
    Role::Hook,
];

/// The transform with the members that it needs.
fn object(row: &Row) -> Value {
    let example = |member: &Member| {
        let example = match member.name {
            "input" => json!({"type": "ContainerStdOut"}),
            "output" => json!({"type": "HostStdOut"}),
            _ => serde_json::from_str(member.example.unwrap()).unwrap(),
        };
        (member.name.to_owned(), example)
    };
    let mut members: Map<_, _> =
        row.shape.members.iter().filter(|member| member.required).map(example).collect();
    members.insert("type".to_owned(), json!(row.shape.name));
    Value::Object(members)
}

/// A document with the transform in one of its places.
fn document(role: Role, object: &Value) -> Value {
    let connect = |input: &Value, output: &Value| {
        json!({"image": "i", "stream_connectors": [
            {"type": "Connect", "input": input, "output": output}]})
    };
    match role {
        Role::Argument => json!({"image": "i", "container_args": [object]}),
        Role::Part => json!({"image": "i", "container_args": [
            {"type": "CommaJoinedVolumes", "volumes": [object]}]}),
        Role::Volume => json!({"image": "i", "volumes": [object]}),
        Role::Path => json!({"image": "i", "girder_result_hooks": [
            {"type": "GirderUploadVolumePathJobArtifact", "volumepath": object}]}),
        Role::Connect => json!({"image": "i", "stream_connectors": [object]}),
        Role::Source => connect(object, &json!({"type": "NamedInputPipe", "name": "other"})),
        Role::ContainerSource => connect(object, &json!({"type": "HostStdOut"})),
        Role::Sink => connect(&json!({"type": "ContainerStdErr"}), object),
        Role::ContainerSink => connect(&json!({"type": "HostFileToStream", "path": "/x"}), object),
        Role::Hook => json!({"image": "i", "girder_result_hooks": [object]}),
    }
}

#[test]
fn a_row_is_read_in_each_place_that_it_fits_and_in_no_other() {
    for row in rows() {
        let object = object(row);
        let mut places = 0;
        for role in ROLES {
            let document = document(*role, &object);
            match (row.reads.fits(*role), JobSpec::from_json(&document.to_string())) {
                (true, Ok(_)) => places += 1,
                (false, Err(_)) => {}
                (fits, read) => panic!("{document}: fits is {fits}, but {read:?}"),
            }
        }
        assert!(places > 0, "{} fits nowhere", row.shape.name);
    }
}

#[test]
fn names_and_classes_are_each_there_once_and_classes_set_members_that_there_are() {
    let mut names = BTreeSet::new();
    for row in rows() {
        assert!(names.insert(row.shape.name), "{}", row.shape.name);
        let Some(class) = &row.class else { continue };
        assert!(names.insert(class.name), "{}", class.name);
        let theirs = class.members.iter().map(|(_, ours)| *ours).chain(class.identity);
        for member in theirs {
            assert!(row.shape.member(member).is_some(), "{} has no {member}", row.shape.name);
        }
    }
}
