//! What ran when the worker of this name died: its containers go, and its jobs in Girder end.

use tokio::task::spawn_blocking;

use super::girder::tell_and_finish;
use crate::girder::JobStatus;
use crate::reporter::{JobReporter, ReporterOptions};
use crate::run::chain;
use crate::worker::node::Node;
use crate::worker::state::job_of;
use crate::worker::state_file::RunningJob;

/// Ends what was running when the last process of this node died.
pub(in crate::worker) async fn bury(node: &Node, died: Vec<RunningJob>) {
    prune(node).await;
    for running in died {
        tracing::warn!(task = running.task_id, "was running when the worker died");
        if let Err(error) = node.runner.remove_container_of(TASK_LABEL, &running.task_id).await {
            tracing::warn!("{}", chain(&error));
        }
        // Its message comes again, and the job goes on as running.
        if running.comes_again {
            continue;
        }
        let Some(job) = job_of(&running) else { continue };
        let patience = node.settings.girder_patience;
        let options = ReporterOptions { patience, ..ReporterOptions::default() };
        match JobReporter::start(&job, options, |_| ()) {
            Ok(reporter) => {
                let teller = reporter.teller();
                teller.log("error: the worker died\n");
                teller.status(JobStatus::Error);
                let _ = tell_and_finish(reporter).await;
            }
            Err(error) => tracing::warn!("{}", chain(&error)),
        }
    }
    node.save_state();
}

/// Removes what runs of this node have left whose process is gone.
async fn prune(node: &Node) {
    let (runner, name) = (node.runner.clone(), node.settings.hostname.clone());
    match spawn_blocking(move || runner.prune_of(NODE_LABEL, &name)).await {
        Ok(Ok(pruned)) => {
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

/// The label of a container by which the node that made it is found.
pub(super) const NODE_LABEL: &str = "gantline.node";

/// The label of a container by which its task is found again.
pub(super) const TASK_LABEL: &str = "gantline.task";
