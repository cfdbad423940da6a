//! What the engine is asked to create, of a plan and what the run has made for it. Pure.

use std::collections::BTreeMap;

use serde_json::json;

use crate::docker::CreateContainer;
use crate::plan::{Plan, Resolved};
use crate::volume::{Bind, Told};

/// The create of a plan's container.
///
/// Two of docker-py's members stay out. The run removes the container itself, when it has asked how
/// it ended: with `AutoRemove` nobody could. And a run ends with the first exit, so a
/// `RestartPolicy` would leave a container that runs beside the collecting of its results.
///
/// One is added: output that is data is not logged as well, see [`Plan::output_is_data`].
pub(crate) fn create(
    plan: &Plan,
    resolved: &Resolved,
    labels: BTreeMap<String, String>,
    binds: &[Bind],
    own_network: Option<&str>,
) -> CreateContainer {
    let mut create = docker_py(plan, resolved, labels, binds);
    create.host_config.config.shift_remove("AutoRemove");
    create.host_config.config.shift_remove("RestartPolicy");
    if plan.output_is_data() {
        let config = &mut create.host_config.config;
        config.entry("LogConfig").or_insert_with(|| json!({"Type": "none"}));
    }
    if let Some(network) = own_network {
        create.host_config.network_mode = network.to_owned();
    }
    create
}

/// The create that docker-py would make.
fn docker_py(
    plan: &Plan,
    resolved: &Resolved,
    labels: BTreeMap<String, String>,
    binds: &[Bind],
) -> CreateContainer {
    let mut create = CreateContainer::new(&plan.image, plan.resolve(resolved));
    create.entrypoint.clone_from(&plan.entrypoint);
    create.platform = plan.container.platform().map(str::to_owned);
    create.labels = plan.container.labels();
    create.labels.extend(labels);
    create.config = plan.container.config();
    create.host_config.config = plan.container.host_config();
    for bind in binds {
        match bind.told() {
            Told::Bind(text) => create.host_config.binds.push(text),
            Told::Mount { source, target, is_read_only } => {
                create.host_config.add_mount(source, target, is_read_only);
            }
        }
    }
    create
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::plan::Mount;
    use crate::spec::{JobSpec, RunOptions};

    /// What docker-py 7.2.0 sent for each of its keywords.
    const CASES: &str = include_str!("../../../tests/data/create_bodies.json");

    fn plan(job: &JobSpec) -> Plan {
        Plan::new(job, || "uuid".to_owned()).unwrap()
    }

    /// A job of docker-py's keywords. Its entrypoint is docker-py's, as in the run options of a
    /// worker: one string is split into words there, and one program in a job.
    fn job(keywords: &Map<String, Value>) -> JobSpec {
        let mut document = json!({"image": "my/image", "container_args": ["a", "b"]});
        document.as_object_mut().unwrap().extend(keywords.clone());
        let entrypoint = document.as_object_mut().unwrap().shift_remove("entrypoint");
        let mut job = JobSpec::from_json(&document.to_string()).unwrap();
        let options = json!({"entrypoint": entrypoint}).to_string();
        RunOptions::from_json(&options).unwrap().merge_into(&mut job);
        job
    }

    /// docker-py's strings may leave out the mode, which is `rw` then.
    fn with_modes(mut body: Value) -> Value {
        for bind in
            body["HostConfig"].get_mut("Binds").and_then(Value::as_array_mut).into_iter().flatten()
        {
            if bind.as_str().unwrap().matches(':').count() == 1 {
                *bind = format!("{}:rw", bind.as_str().unwrap()).into();
            }
        }
        body
    }

    #[test]
    fn every_keyword_becomes_what_docker_py_sends() {
        let cases: Value = serde_json::from_str(CASES).unwrap();
        let cases = cases["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 79);
        for case in cases {
            let keywords = case["kwargs"].as_object().unwrap();
            let job = job(keywords);
            let binds = plan(&job).mounts.into_iter().filter_map(|mount| match mount {
                Mount::Bind { bind, .. } => Some(bind),
                Mount::Temporary { .. } => None,
            });
            let binds: Vec<_> = binds.collect();
            let create = docker_py(&plan(&job), &Resolved::default(), BTreeMap::new(), &binds);
            let body = serde_json::to_value(&create).unwrap();
            assert_eq!(body, with_modes(case["body"].clone()), "{keywords:?}");

            let name = job.container().name();
            let mut query: Map<String, Value> = Map::new();
            let sent = create.query(name.unwrap_or_default()).into_iter();
            query.extend(sent.map(|(name, value)| (name.to_owned(), value.into())));
            if name.is_none() {
                // A run gives its container a name of its own.
                query["name"] = Value::Null;
            }
            assert_eq!(Value::Object(query), case["query"], "{keywords:?}");
        }
    }

    #[test]
    fn the_run_keeps_the_container_until_it_has_removed_it() {
        let keywords = json!({"auto_remove": true, "init": true,
            "restart_policy": {"Name": "on-failure", "MaximumRetryCount": 5}});
        let plan = plan(&job(keywords.as_object().unwrap()));
        let create = create(&plan, &Resolved::default(), BTreeMap::new(), &[], None);
        assert_eq!(create.host_config.config, *json!({"Init": true}).as_object().unwrap());
        assert!(plan.warnings().iter().any(|w| w.contains("restart_policy")), "{plan:?}");
    }

    #[test]
    fn output_that_is_data_is_not_logged_unless_the_job_says_how() {
        let logged = |sink: Value, more: Value| {
            let mut keywords = more;
            keywords["stream_connectors"] = json!([
                {"type": "Connect", "input": {"type": "ContainerStdOut"}, "output": sink}]);
            let plan = plan(&job(keywords.as_object().unwrap()));
            let create = create(&plan, &Resolved::default(), BTreeMap::new(), &[], None);
            create.host_config.config.get("LogConfig").cloned()
        };
        let file = json!({"type": "HostFile", "path": "/x"});
        assert_eq!(logged(file.clone(), json!({})), Some(json!({"Type": "none"})));
        assert_eq!(logged(json!({"type": "HostStdOut"}), json!({})), None);
        assert_eq!(logged(file.clone(), json!({"remove_container": false})), None);
        let said = json!({"log_config": {"type": "json-file"}});
        assert_eq!(logged(file, said).unwrap()["Type"], "json-file");
    }

    #[test]
    fn the_runs_labels_stand_beside_the_jobs() {
        let plan = plan(&job(json!({"labels": {"a": "b"}}).as_object().unwrap()));
        let ours = BTreeMap::from([("gantline.run".to_owned(), "1".to_owned())]);
        let create = create(&plan, &Resolved::default(), ours, &[], None);
        let labels: Vec<_> = create.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        assert_eq!(labels, [("a", "b"), ("gantline.run", "1")]);
    }
}
