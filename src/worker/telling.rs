//! What a worker tells the broker of itself and of its tasks: events and results.

use std::time::{Duration, SystemTime};

use super::broker::Over;
use super::celery::{
    Fellow, Head, Load, Message, Meta, PythonError, Revoked, Status, Task, TaskEvent, Teller,
    WorkerEvent,
};
use super::ended::Ended;
use super::node::Node;
use super::outbox::{Letter, Told};
use super::url::Backend;

impl Node {
    /// The next value of the logical clock.
    pub(super) fn ticks(&self) -> u64 {
        let next = self.clock.get() + 1;
        self.clock.set(next);
        next
    }

    /// Another's clock was heard: ours goes on after it.
    pub(super) fn hears(&self, clock: u64) {
        self.clock.set(self.clock.get().max(clock) + 1);
    }

    fn teller(&self) -> Teller<'_> {
        Teller {
            node: &self.settings.hostname,
            pid: std::process::id(),
            clock: self.ticks(),
            now: SystemTime::now(),
        }
    }

    fn load(&self) -> Load {
        Load {
            active: self.jobs.borrow().len(),
            processed: self.received.borrow().values().sum(),
            average: nix::sys::sysinfo::sysinfo()
                .map(|info| info.load_average())
                .map_or([0.0; 3], |(one, five, fifteen)| [one, five, fifteen]),
        }
    }

    /// The worker takes tasks from now on.
    pub(super) fn tells_online(&self) {
        self.tells_of_itself(WorkerEvent::Online);
    }

    /// The worker lives.
    pub(super) fn tells_alive(&self) {
        self.tells_of_itself(WorkerEvent::Heartbeat);
    }

    /// The worker takes no task any more.
    pub(super) fn tells_offline(&self) {
        self.tells_of_itself(WorkerEvent::Offline);
    }

    fn tells_of_itself(&self, event: WorkerEvent) {
        // That it lives is of no use later.
        if self.session().is_some() {
            let (routing_key, message) = event.message(&self.teller(), &self.load());
            self.tells(routing_key, message);
        }
    }

    fn tells(&self, routing_key: &'static str, message: Message) {
        self.outbox.post(Letter::Event { routing_key, message: Box::new(message) });
    }

    fn tells_of_task(&self, id: &str, event: &TaskEvent) {
        if self.sends_events.get() {
            self.tells(TaskEvent::ROUTING_KEY, event.message(&self.teller(), id));
        }
    }

    /// A task was taken from its queue.
    pub(super) fn tells_received(&self, task: &Task) {
        let head = &task.head;
        let event = TaskEvent::Received {
            name: head.task.clone(),
            args: head.argsrepr.clone(),
            kwargs: head.kwargsrepr.clone(),
            root_id: Some(head.root_id.clone()),
            parent_id: head.parent_id.clone(),
            retries: head.retries,
            eta: task.eta.map(super::celery::iso),
            expires: task.expires.map(super::celery::iso),
        };
        self.tells_of_task(&head.id, &event);
    }

    /// A task runs.
    pub(super) fn tells_started(&self, task: &Task) {
        self.tells_of_task(&task.head.id, &TaskEvent::Started);
    }

    /// A task has ended.
    pub(super) fn tells_ended(&self, head: &Head, ended: &Ended, took: Duration) {
        let event = match ended {
            Ended::Succeeded => TaskEvent::Succeeded { runtime: took },
            Ended::Failed(failure) => TaskEvent::Failed {
                exception: failure.error().repr(),
                traceback: failure.words.clone(),
            },
            Ended::Revoked => TaskEvent::Revoked { terminated: false, expired: false },
            Ended::Terminated => TaskEvent::Revoked { terminated: true, expired: false },
            Ended::Expired => TaskEvent::Revoked { terminated: false, expired: true },
        };
        self.tells_of_task(&head.id, &event);
    }

    /// Leaves the result of a task for whoever waits for it.
    pub(super) fn tells_result(&self, head: &Head, ended: &Ended, children: Vec<String>) {
        if head.ignore_result {
            return;
        }
        let meta = Meta { children, ..meta(&head.id, ended) };
        let meta = Meta { group_id: head.group.clone(), parent_id: head.parent_id.clone(), ..meta };
        self.outbox.post(Letter::Result(Told {
            task_id: head.id.clone(),
            reply_to: head.reply_to.clone(),
            meta: meta.to_json(),
            over: Over::NoSuccess,
        }));
    }

    /// A task was revoked that does not run here: who waits for it is told, unless somebody has told already.
    pub(super) fn tells_revoked(&self, id: &str) {
        // Where results are messages, it has no address.
        if !matches!(self.settings.backend, Backend::Redis(_)) {
            return;
        }
        let told = Letter::Result(Told {
            task_id: id.to_owned(),
            reply_to: None,
            meta: meta(id, &Ended::Revoked).to_json(),
            over: Over::Nothing,
        });
        // All workers tell the same.
        self.revokes.post_of(Revoked::MOST, told);
    }

    /// A later step of a chain never runs: it ended as the task did.
    pub(super) fn tells_fellow(&self, fellow: &Fellow, ended: &Ended) {
        let meta = Meta { group_id: fellow.group.clone(), ..meta(&fellow.id, ended) };
        self.outbox.post(Letter::Result(Told {
            task_id: fellow.id.clone(),
            reply_to: fellow.reply_to.clone(),
            meta: meta.to_json(),
            over: Over::NoSuccess,
        }));
    }

    /// Who publishes, as Celery's header `origin` has it.
    pub(super) fn origin(&self) -> String {
        let host = self.settings.hostname.split_once('@').map_or("", |(_, host)| host);
        format!("gen{}@{host}", std::process::id())
    }
}

fn meta(id: &str, ended: &Ended) -> Meta {
    let (status, error, traceback) = match ended {
        Ended::Succeeded => (Status::Success, None, None),
        Ended::Failed(failure) => {
            (Status::Failure, Some(failure.error()), Some(failure.words.clone()))
        }
        Ended::Revoked => (Status::Revoked, Some(PythonError::revoked("revoked")), None),
        Ended::Terminated => (Status::Revoked, Some(PythonError::revoked("terminated")), None),
        Ended::Expired => (Status::Revoked, Some(PythonError::revoked("expired")), None),
    };
    Meta {
        task_id: id.to_owned(),
        status,
        error,
        traceback,
        children: Vec::new(),
        date_done: SystemTime::now(),
        group_id: None,
        parent_id: None,
    }
}
