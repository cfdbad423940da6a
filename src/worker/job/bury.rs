//! What ran when the worker of this name died: its containers go, and its jobs in Girder end.

use std::rc::Rc;

use tokio::task::{spawn_blocking, spawn_local};

use super::girder::{is_missed, tell_and_finish};
use super::labels::{NODE_LABEL, TASK_LABEL};
use crate::girder::JobStatus;
use crate::reporter::{JobReporter, ReporterOptions};
use crate::run::chain;
use crate::spec::GirderJob;
use crate::worker::node::Node;
use crate::worker::state::job_of;

/// Ends what was running when the last process of this node died. Containers are gone when this
/// comes back; Girder is told meanwhile, and what it could not be told is kept for the next start.
pub(in crate::worker) async fn bury(node: &Rc<Node>) {
    prune(node).await;
    let died = node.died();
    for running in died {
        tracing::warn!(task = running.task_id, "was running when the worker died");
        node.buried.borrow_mut().insert(running.run_id.clone());
        if let Err(error) = node.runner.remove_container_of(TASK_LABEL, &running.task_id).await {
            tracing::warn!("{}", chain(&error));
        }
        // Its message comes again, and the job goes on as running.
        match job_of(&running) {
            Some(job) if !running.comes_again => {
                let node = Rc::clone(node);
                spawn_local(async move { tell_end(&node, &running.task_id, &job).await });
            }
            _ => node.forgets(&running.task_id),
        }
    }
}

async fn tell_end(node: &Node, task_id: &str, job: &GirderJob) {
    let options = ReporterOptions {
        patience: node.settings.girder_patience,
        girder: node.settings.girder_options(),
        knows_address: true,
        ..ReporterOptions::default()
    };
    let told = match JobReporter::start(job, options, |_| ()) {
        Ok(reporter) => {
            let teller = reporter.teller();
            teller.log("error: the worker died\n");
            teller.status(JobStatus::Error);
            tell_and_finish(node, reporter).await
        }
        Err(error) => {
            tracing::warn!("{}", chain(&error));
            Ok(())
        }
    };
    if !is_missed(&told) {
        node.forgets(task_id);
    }
}

/// Removes what runs of this node have left whose process is gone.
async fn prune(node: &Node) {
    let (runner, name) = (node.runner.clone(), node.settings.hostname.clone());
    match spawn_blocking(move || runner.prune_of(NODE_LABEL, &name)).await {
        Ok(Ok(pruned)) => {
            let runs = pruned.containers.iter().filter_map(|name| name.strip_prefix("gantline-"));
            node.buried.borrow_mut().extend(runs.map(str::to_owned));
            for name in &pruned.containers {
                tracing::warn!(name, "removed a container that the last worker of this name left");
            }
            for left in &pruned.left {
                tracing::warn!("{}; this does it: {}", chain(&left.error), left.command);
            }
        }
        Ok(Err(error)) => tracing::warn!("{}", chain(&error)),
        Err(error) => tracing::error!(%error, "pruning panicked"),
    }
}
