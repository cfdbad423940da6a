//! What is published after a task: its callbacks, the next step of its chain, or its errbacks.
//!
//! Each is a message of protocol 2, as `Signature.apply_async` makes it inside a worker: it has the
//! root of what led to it, this task as its parent, and this task's priority and reply queue unless
//! it names others. Signatures in it are plain dictionaries, which Python takes for signatures.
//!
//! What Girder Worker adds at this point is added here too: arguments that are meant for Girder become
//! headers, and [`JobForm`] is the job that Girder is asked to make. The answer's `jobInfoSpec` is
//! [put into the message](Follower::set_job) before it is published.

mod form;
mod options;
#[cfg(test)]
mod tests;

use std::time::SystemTime;

use serde_json::{Map, Value as Json, json};

pub use self::form::JobForm;
use self::options::Options;
use super::embed::Signature;
use super::message::{Message, Properties};
use super::pickle::{PickleError, Writer, members, repr};
use super::task::Task;
use crate::spec::{Node, Pickle, Pickled};

/// A task that has ended, as those see it that follow it.
#[derive(Debug, Clone, Copy)]
pub struct Predecessor<'t> {
    /// The task.
    pub task: &'t Task,
    /// The queue that it was taken from: what follows goes there, unless it says otherwise.
    pub queue: &'t str,
    /// Who publishes, as the header `origin` has it: `gen<pid>@<host>`.
    pub origin: &'t str,
    /// Now: delays count from here.
    pub now: SystemTime,
}

/// A task that is to be published.
#[derive(Debug, Clone, PartialEq)]
pub struct Follower {
    /// Its id. It is a child of the task before it.
    pub id: String,
    /// Where it goes; mostly "".
    pub exchange: String,
    /// The queue, if there is no exchange.
    pub routing_key: String,
    /// The message.
    pub message: Message,
    /// The job that Girder is asked to make for it, if it is to have one.
    pub job: Option<JobForm>,
}

/// A later step of a chain: it never runs, and fails as the task before it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fellow {
    /// Its id.
    pub id: String,
    /// Where its sender waits for the result.
    pub reply_to: Option<String>,
    /// The group that it is in.
    pub group: Option<String>,
}

impl Follower {
    /// Adds the `jobInfoSpec` of the job that Girder has made.
    pub fn set_job(&mut self, spec: Json) {
        self.message.headers.insert("jobInfoSpec".to_owned(), spec);
    }
}

impl Predecessor<'_> {
    /// What is published when the task has succeeded: callbacks, then the next step of its chain. Each
    /// gets the result as its first argument, unless it is immutable. `new_id` is asked for the ids of
    /// those that have none yet.
    ///
    /// # Errors
    /// One of them cannot be written.
    pub fn after_success(
        &self,
        result: &Json,
        mut new_id: impl FnMut() -> String,
    ) -> Result<Vec<Follower>, PickleError> {
        let embed = &self.task.embed;
        let mut followers = Vec::new();
        for callback in &embed.callbacks {
            followers.push(self.follower(callback, result, &[], &mut new_id)?);
        }
        if let Some((next, rest)) = embed.chain.split_last() {
            followers.push(self.follower(next, result, rest, &mut new_id)?);
        }
        Ok(followers)
    }

    /// What is published when the task has failed: its errbacks. Each gets the task's id as its first
    /// argument, unless it is immutable.
    ///
    /// # Errors
    /// As [`after_success`](Self::after_success)'s.
    pub fn after_failure(
        &self,
        mut new_id: impl FnMut() -> String,
    ) -> Result<Vec<Follower>, PickleError> {
        let id = Json::from(self.task.head.id.as_str());
        let errbacks = self.task.embed.errbacks.iter();
        errbacks.map(|errback| self.follower(errback, &id, &[], &mut new_id)).collect()
    }

    /// The rest of the chain, which fails with the task.
    pub fn fellows(&self) -> Vec<Fellow> {
        let fellow = |step: &Signature| {
            let text = |name| step.option(name).map(str::to_owned);
            Some(Fellow {
                id: text("task_id")?,
                reply_to: text("reply_to"),
                group: text("group_id"),
            })
        };
        self.task.embed.chain.iter().rev().filter_map(fellow).collect()
    }

    fn follower(
        &self,
        signature: &Signature,
        first: &Json,
        rest: &[Signature],
        new_id: &mut impl FnMut() -> String,
    ) -> Result<Follower, PickleError> {
        let root = Node::read(&signature.parts).map_err(|_| PickleError::Malformed)?;
        let pickle = Pickle::read(&root)?;
        let [args, kwargs, options] = root.items() else { return Err(PickleError::Malformed) };
        let Pickled::List(args) = pickle.value(args)? else { return Err(PickleError::Malformed) };
        let kwargs = members(&pickle, kwargs)?.ok_or(PickleError::Malformed)?;
        let given = members(&pickle, options)?.ok_or(PickleError::Malformed)?;
        let options = Options::new(signature, &pickle, &given, &kwargs)?;

        let arguments = Arguments {
            pickle: &pickle,
            first: (!signature.immutable).then_some(first),
            args,
            kwargs: kwargs.iter().copied().filter(|(name, _)| !options::is_girders(name)).collect(),
        };
        let list = |name| {
            let node = given.iter().find(|(other, _)| *other == name).map(|(_, node)| *node);
            node.map_or(Ok(Vec::new()), |node| Signature::list(&pickle, node))
        };
        let own_rest = if rest.is_empty() { list("chain")? } else { Vec::new() };
        let follow = [
            ("callbacks", &*list("link")?),
            ("errbacks", &*list("link_error")?),
            ("chain", if rest.is_empty() { &*own_rest } else { rest }),
        ];
        let body = arguments.body(&follow)?;

        let id = signature.option("task_id").map_or_else(new_id, str::to_owned);
        let head = &self.task.head;
        let job = options.wants_job().then(|| form::form(&options, &arguments, &id, head));
        let headers = self.headers(signature, &options, &arguments, &id);
        let properties = Properties {
            content_type: Some(super::message::JSON.to_owned()),
            content_encoding: Some(super::message::UTF_8.to_owned()),
            correlation_id: Some(id.clone()),
            reply_to: signature
                .option("reply_to")
                .map(str::to_owned)
                .or_else(|| head.reply_to.clone()),
            priority: options.priority().or(head.priority).or(Some(0)),
            delivery_mode: Some(2),
            ..Properties::default()
        };
        let (exchange, routing_key) = options.address(self.queue);
        let message = Message { headers, properties, body: body.into_bytes() };
        Ok(Follower { id, exchange, routing_key, message, job })
    }

    fn headers(
        &self,
        signature: &Signature,
        options: &Options<'_>,
        arguments: &Arguments<'_, '_>,
        id: &str,
    ) -> Map<String, Json> {
        let head = &self.task.head;
        let option = |name: &str| signature.options.get(name).cloned().unwrap_or(Json::Null);
        let mut headers = options.headers();
        let (argsrepr, kwargsrepr) = arguments.reprs();
        let celerys = json!({
            "lang": "py",
            "task": signature.task,
            "id": id,
            "shadow": option("shadow"),
            "eta": options.eta(self.now),
            "expires": options.expires(self.now),
            "group": option("group_id"),
            "group_index": option("group_index"),
            "retries": option("retries").as_u64().unwrap_or(0),
            "timelimit": [option("time_limit"), option("soft_time_limit")],
            "root_id": head.root_id,
            "parent_id": head.id,
            "argsrepr": argsrepr,
            "kwargsrepr": kwargsrepr,
            "origin": self.origin,
            "ignore_result": option("ignore_result").as_bool().unwrap_or(false),
            "replaced_task_nesting": 0,
            "stamped_headers": null,
            "stamps": {},
        });
        headers.extend(celerys.as_object().cloned().unwrap_or_default());
        let token = head.girder.token.as_ref().map(|token| token.expose().to_owned());
        for (name, inherited) in
            [("girder_api_url", head.girder.api_url.clone()), ("girder_client_token", token)]
        {
            if let Some(inherited) = inherited.filter(|_| !headers.contains_key(name)) {
                headers.insert(name.to_owned(), Json::from(inherited));
            }
        }
        headers
    }
}

/// What a task is called with.
struct Arguments<'a, 'n> {
    pickle: &'a Pickle<'n>,
    /// What the task before it gives.
    first: Option<&'a Json>,
    args: &'n [Node],
    /// Without those that are meant for Girder.
    kwargs: Vec<(&'n str, &'n Node)>,
}

impl Arguments<'_, '_> {
    /// `[args, kwargs, embed]`.
    fn body(&self, follow: &[(&str, &[Signature])]) -> Result<String, PickleError> {
        let mut writer = Writer::default();
        writer.open('[');
        writer.open('[');
        if let Some(first) = self.first {
            writer.plain(first);
        }
        for arg in self.args {
            writer.node(self.pickle, arg)?;
        }
        writer.close(']');
        writer.open('{');
        for (name, value) in &self.kwargs {
            writer.key(name);
            writer.node(self.pickle, value)?;
        }
        writer.close('}');
        writer.open('{');
        for (name, signatures) in follow {
            writer.key(name);
            if signatures.is_empty() {
                writer.plain(&Json::Null);
                continue;
            }
            writer.open('[');
            for signature in *signatures {
                signature.write(&mut writer)?;
            }
            writer.close(']');
        }
        writer.key("chord");
        writer.plain(&Json::Null);
        writer.close('}');
        writer.close(']');
        Ok(writer.finish())
    }

    /// Both as Python shows them.
    fn reprs(&self) -> (String, String) {
        let shown = |node| repr(self.pickle, node, MAX_REPR);
        let first = self.first.map(super::result::repr);
        let args: Vec<String> = first.into_iter().chain(self.args.iter().map(shown)).collect();
        let comma = if args.len() == 1 { "," } else { "" };
        let name = |name: &str| super::result::repr(&Json::from(name));
        let kwargs = self.kwargs.iter();
        let kwargs: Vec<String> =
            kwargs.map(|(key, value)| format!("{}: {}", name(key), shown(value))).collect();
        let short = |text: String| match text.char_indices().nth(MAX_REPR) {
            Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
            None => text,
        };
        let args = short(format!("({}{comma})", args.join(", ")));
        (args, short(format!("{{{}}}", kwargs.join(", "))))
    }
}

/// Celery's `argsrepr_maxsize`.
const MAX_REPR: usize = 1024;
