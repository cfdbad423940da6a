//! What a worker does with a command of remote control, and what it answers.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};
use tokio::task::spawn_local;

use super::broker::{Address, SharedSession};
use super::celery::{Request, Signal, Task, TimeLimit, Verb};
use super::ended::StoppedFor;
use super::job::Job;
use super::node::Node;
use super::settings::GIRDERS_OWN;
use super::taken::Taken;
use crate::spec::girder_worker::TASKS;

/// Does what a command asks for, and has it answered.
///
/// A broker may take nothing from us for a while, and bring the next command all the same: a cancel, say. So nobody
/// waits here for the broker, nor for the disk.
pub(super) fn obey(node: &Rc<Node>, session: &SharedSession, request: Request) {
    node.hears(request.clock);
    if !request.is_for(&node.settings.hostname, SystemTime::now()) {
        return;
    }
    let mut is_kept = false;
    let mut added = None;
    let answer = match request.verb() {
        Ok(Verb::AddConsumer(queue)) => {
            added = Some(queue);
            Value::Null
        }
        Ok(verb) => {
            is_kept = matches!(verb, Verb::Revoke { .. });
            answer(node, session, verb)
        }
        Err(error) => json!({"error": error}),
    };
    if added.is_none() && !request.wants_reply() {
        return;
    }
    let Ok(permit) = Arc::clone(&node.replies).try_acquire_owned() else {
        return tracing::debug!("more commands than the broker takes replies: one has none");
    };
    let (node, session) = (Rc::clone(node), SharedSession::clone(session));
    spawn_local(async move {
        let _permit = permit;
        let answer = match added {
            Some(queue) => add_consumer(&node, &session, queue).await,
            None => answer,
        };
        // Who hears that a task is revoked may count on it, whatever becomes of us.
        if is_kept {
            node.state_is_saved().await;
        }
        let reply = request.reply(&node.settings.hostname, answer, node.ticks());
        let Some((exchange, routing_key, reply)) = reply else { return };
        if let Err(error) = session.publish(Address::reply(exchange, routing_key), &reply).await {
            tracing::debug!(%error, "cannot answer a command");
        }
    });
}

fn answer(node: &Rc<Node>, session: &SharedSession, verb: Verb) -> Value {
    match verb {
        Verb::Ping => ok("pong"),
        Verb::Active => {
            let jobs = node.jobs.borrow();
            jobs.values().filter(|job| !job.asks.get()).map(|job| active(node, job)).collect()
        }
        Verb::Reserved => {
            let (due, jobs) = (node.due.all(), node.jobs.borrow());
            let asking = jobs.values().filter(|job| job.asks.get()).map(|job| &job.taken);
            due.iter().chain(asking).map(|taken| held(node, taken)).collect()
        }
        Verb::Scheduled => {
            node.waiting.borrow().values().map(|taken| scheduled(node, taken)).collect()
        }
        Verb::Revoked => json!(node.revoked.borrow_mut().ids(SystemTime::now())),
        Verb::Registered => json!(TASKS),
        Verb::Stats => stats(node),
        Verb::ActiveQueues => node.queues.borrow().iter().map(|name| queue(name)).collect(),
        Verb::Conf => conf(node),
        Verb::Report => ok(&report(node)),
        Verb::Clock => json!({"clock": node.clock.get()}),
        Verb::QueryTask(ids) => query(node, &ids),
        Verb::Revoke { ids, terminate } => revoke(node, &ids, terminate),
        Verb::Hello { from, .. } if from == node.settings.hostname => Value::Null,
        Verb::Hello { from, revoked } => {
            tracing::debug!(from, "a worker says hello");
            node.revoke(&revoked);
            let ids = node.revoked.borrow_mut().ids(SystemTime::now());
            json!({"revoked": ids, "clock": node.ticks()})
        }
        Verb::EnableEvents => {
            let was_on = node.sends_events.replace(true);
            ok(if was_on { "task events already enabled" } else { "task events enabled" })
        }
        Verb::DisableEvents => {
            let was_on = node.sends_events.replace(false);
            ok(if was_on { "task events disabled" } else { "task events already disabled" })
        }
        Verb::Heartbeat => {
            node.tells_alive();
            Value::Null
        }
        // It is answered when the broker has the queue.
        Verb::AddConsumer(_) => Value::Null,
        Verb::CancelConsumer(queue) => {
            let mut was_served = false;
            node.queues.send_modify(|queues| {
                was_served = queues.contains(&queue);
                queues.retain(|served| *served != queue);
            });
            session.serve(&node.queues.borrow());
            match was_served {
                true => ok(&format!("no longer consuming from {queue}")),
                false => ok(&format!("not consuming from {queue}")),
            }
        }
        Verb::PoolGrow(by) => {
            node.changes_slots(|slots| slots.saturating_add(by).min(MOST_SLOTS));
            ok("pool will grow")
        }
        Verb::PoolShrink(by) => {
            node.changes_slots(|slots| slots.saturating_sub(by).max(1));
            ok("pool will shrink")
        }
        Verb::TimeLimit { task, .. } if !TASKS.contains(&&*task) => {
            json!({"error": "unknown task"})
        }
        Verb::TimeLimit { task, soft, hard } => {
            node.limits.borrow_mut().insert(task, TimeLimit { soft, hard });
            ok("time limits set successfully")
        }
        Verb::Shutdown => {
            tracing::warn!("shut down by remote control");
            node.drains();
            Value::Null
        }
    }
}

async fn add_consumer(node: &Node, session: &SharedSession, queue: String) -> Value {
    if node.queues.borrow().contains(&queue) {
        return ok(&format!("already consuming from {queue}"));
    }
    if queue == GIRDERS_OWN {
        return json!({"error": format!("the queue {queue:?} is Girder's own: name another")});
    }
    if node.settings.others_to.as_deref() == Some(&queue) {
        let words = format!("to the queue {queue:?} this worker passes on what it cannot run");
        return json!({"error": words});
    }
    if let Err(error) = session.declare(&queue).await {
        return json!({"error": crate::run::chain(&error)});
    }
    let answer = ok(&format!("add consumer {queue}"));
    node.queues.send_modify(|queues| queues.push(queue));
    // It may be another one by now.
    if let Some(session) = node.session() {
        session.serve(&node.queues.borrow());
    }
    answer
}

fn revoke(node: &Rc<Node>, ids: &[String], terminate: Option<Signal>) -> Value {
    node.revoke(ids);
    let jobs = node.jobs.borrow();
    let mut ended = Vec::new();
    for (id, job) in ids.iter().filter_map(|id| Some((id, jobs.get(id)?))) {
        match terminate {
            Some(Signal::Kill) => job.stopper.kill(StoppedFor::Cancel),
            _ => job.stopper.stop(StoppedFor::Cancel),
        }
        ended.push(id.clone());
    }
    // Who waits for one that nobody has begun hears of it now.
    for id in ids.iter().filter(|id| !jobs.contains_key(*id)) {
        node.tells_revoked(id);
    }
    match terminate {
        None => {
            let names: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
            ok(&format!("tasks {{{}}} flagged as revoked", names.join(", ")))
        }
        Some(_) if ended.is_empty() => ok("terminate: tasks unknown"),
        Some(_) => ok(&format!("terminate: {}", ended.join(", "))),
    }
}

fn ok(words: &str) -> Value {
    json!({"ok": words})
}

/// A task as `Request.info` of Celery's shows it; its arguments as their sender does, without tokens.
fn info(node: &Node, taken: &Taken, since: Option<SystemTime>, acknowledged: bool) -> Value {
    let head = &taken.task.head;
    let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    json!({
        "id": head.id,
        "name": head.task,
        "args": head.argsrepr,
        "kwargs": head.kwargsrepr,
        "type": head.task,
        "hostname": node.settings.hostname,
        "time_start": since.map(seconds),
        "acknowledged": acknowledged,
        "delivery_info": {
            "exchange": "",
            "routing_key": taken.delivery.queue(),
            "priority": head.priority.unwrap_or(0),
            "redelivered": taken.delivery.is_redelivered(),
        },
        "worker_pid": since.map(|_| std::process::id()),
    })
}

fn active(node: &Node, job: &Job) -> Value {
    info(node, &job.taken, Some(job.since), job.is_acknowledged.get())
}

fn held(node: &Node, taken: &Taken) -> Value {
    info(node, taken, None, false)
}

fn scheduled(node: &Node, taken: &Taken) -> Value {
    json!({
        "eta": eta(&taken.task),
        "priority": 6,
        "request": held(node, taken),
    })
}

fn eta(task: &Task) -> Option<String> {
    task.eta.map(super::celery::iso)
}

fn query(node: &Node, ids: &[String]) -> Value {
    let (jobs, waiting, due) = (node.jobs.borrow(), node.waiting.borrow(), node.due.all());
    let found = ids.iter().filter_map(|id| {
        let due = || due.iter().find(|taken| taken.task.head.id == *id);
        let known = match (jobs.get(id), waiting.get(id)) {
            (Some(job), _) if job.asks.get() => json!(["reserved", held(node, &job.taken)]),
            (Some(job), _) => json!(["active", active(node, job)]),
            (None, Some(taken)) => json!(["scheduled", held(node, taken)]),
            // For a worker to which its message comes again.
            (None, None) if node.has_ended(id) => json!(["ready", {"id": id}]),
            (None, None) => json!(["reserved", held(node, due()?)]),
        };
        Some((id.clone(), known))
    });
    Value::Object(found.collect::<Map<_, _>>())
}

fn stats(node: &Node) -> Value {
    let slots = *node.wanted_slots.borrow();
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).ok();
    let seconds = |time: nix::sys::time::TimeVal| {
        #[expect(clippy::cast_precision_loss, reason = "seconds of CPU time are few")]
        let seconds = time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        seconds
    };
    json!({
        "total": *node.received.borrow(),
        "pid": std::process::id(),
        "clock": node.clock.get().to_string(),
        "uptime": node.began.elapsed().as_secs(),
        "pool": {
            "implementation": "gantline",
            "max-concurrency": slots,
            "processes": [std::process::id()],
            "max-tasks-per-child": "N/A",
            "put-guarded-by-semaphore": false,
            "timeouts": [0, 0],
        },
        "broker": {
            "transport": if node.is_redis() { "redis" } else { "amqp" },
            "hostname": node.settings.broker.to_string(),
        },
        "prefetch_count": slots,
        "rusage": {
            "utime": usage.map(|usage| seconds(usage.user_time())),
            "stime": usage.map(|usage| seconds(usage.system_time())),
            "maxrss": usage.map(|usage| usage.max_rss()),
        },
    })
}

/// A queue as kombu's `Queue.as_dict` shows it.
fn queue(name: &str) -> Value {
    json!({
        "name": name,
        "exchange": {"name": name, "type": "direct", "arguments": null, "durable": true,
            "passive": false, "auto_delete": false, "delivery_mode": null, "no_declare": false},
        "routing_key": name,
        "queue_arguments": null,
        "binding_arguments": null,
        "consumer_arguments": null,
        "durable": true,
        "exclusive": false,
        "auto_delete": false,
        "no_ack": false,
        "alias": null,
        "bindings": [],
        "no_declare": null,
        "expires": null,
        "message_ttl": null,
        "max_length": null,
        "max_length_bytes": null,
        "max_priority": null,
    })
}

fn conf(node: &Node) -> Value {
    json!({
        "accept_content": ["json"],
        "broker_url": node.settings.broker.to_string(),
        "result_backend": node.settings.backend.to_string(),
        "task_acks_late": node.settings.acks_late,
        "worker_concurrency": *node.wanted_slots.borrow(),
    })
}

fn report(node: &Node) -> String {
    let settings = &node.settings;
    format!(
        "\nsoftware -> gantline:{}\nsettings -> broker:{} results:{}\nqueues   -> {}\n",
        env!("CARGO_PKG_VERSION"),
        settings.broker,
        settings.backend,
        node.queues.borrow().join(", "),
    )
}

/// More jobs at once are a mistake.
const MOST_SLOTS: usize = 1024;

impl Node {
    /// Notes ids as revoked; who waits or runs under one hears of it.
    pub(super) fn revoke(&self, ids: &[String]) {
        let now = SystemTime::now();
        let mut revoked = self.revoked.borrow_mut();
        let news = ids.iter().filter(|id| revoked.add(id, now)).count();
        drop(revoked);
        if news > 0 {
            self.revocations.send_replace(());
            self.save_state();
        }
    }
}
