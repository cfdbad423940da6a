//! A message of Girder Worker's, made a job document.
//!
//! The document is made of the same nodes as one that was written by hand, and goes the same way
//! from there: what is wrong with it is found once, in one place, and told with the place that it
//! has in the message.

use std::cell::{Cell, RefCell};

use super::TASKS;
use super::classes::{DICTIONARIES, REFUSED};
use super::python;
use super::session::{self, SESSION};
use crate::spec::JobSpec;
use crate::spec::document;
use crate::spec::error::{Hint, Problem, SpecError};
use crate::spec::json::{Fault, MAX_DEPTH, MAX_NODES, Node, Value, shortened, too_many};
use crate::spec::jsonpickle::{Object, Pickle, Pickled, is_set, key};
use crate::spec::vocabulary;
use crate::spec::vocabulary::row::{Class, Row};

/// `docker_run`'s parameters, in their order.
const PARAMETERS: &[&str] =
    &["image", "pull_image", "entrypoint", "container_args", "volumes", "remove_container"];
/// Keywords of docker-py that Girder Worker drops.
const DROPPED: &[&str] = &["tty", "detach"];
/// Parameters of which Python asks only whether they are true: `None` is not.
const TRUTH: &[&str] = &["pull_image", "remove_container"];

/// What changes nothing in Python: its container is removed by `remove_container` alone.
fn is_python_default(name: &str, value: &Value) -> bool {
    matches!((name, value), ("remove" | "auto_remove", Value::Bool(false)))
}

/// Reads a message.
pub(in crate::spec) fn read(text: &str) -> Result<JobSpec, SpecError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let message = Node::read(text)?;
    let translator = Translator::default();
    let job = message
        .without_repetitions()
        .and_then(|()| translator.document(&message))
        .and_then(|document| document::build(&document));
    let mut job = job.map_err(|fault| fault.located(&message, text))?;
    let session = member(&message, "headers").and_then(|headers| member(headers, SESSION));
    if let (Some(girder_job), Some(session)) = (&mut job.girder_job, session) {
        job.warnings.extend(session::set(girder_job, session));
    }
    Ok(job)
}

/// Makes a job document of a message. Every value keeps the place that it has in the message.
#[derive(Default)]
struct Translator {
    /// How many values the document has.
    nodes: Cell<usize>,
    /// The address and the token of the first `girder_client.GirderClient`.
    server: RefCell<Option<Node>>,
    token: RefCell<Option<Node>>,
}

impl Translator {
    fn document(&self, message: &Node) -> Result<Node, Fault> {
        if member(message, "headers").is_none() {
            return self.without_headers(message);
        }
        let headers = need(message, "a message", "headers")?;
        runs_here(member(headers, "task"))?;
        let body = need(message, "a message", "body")?;
        let mut members = self.body(&Pickle::read(body)?, body)?;
        if let Some(hooks) = member(headers, "girder_result_hooks") {
            let hooks = self.hooks(hooks)?;
            members.push(("girder_result_hooks".to_owned(), hooks));
        }
        let job = member(headers, "jobInfoSpec").map(girder_job);
        members.extend(job.map(|job| ("girder_job".to_owned(), job)));
        Ok(self.with_server(message, members, |name| member(headers, name)))
    }

    /// A task that was not sent: the arguments alone, or Celery's signature.
    fn without_headers(&self, message: &Node) -> Result<Node, Fault> {
        let pickle = Pickle::read(message)?;
        let entries: Vec<(&str, &Node)> = match pickle.value(message)? {
            Pickled::List(_) => {
                let members = self.body(&pickle, message)?;
                return Ok(self.with_server(message, members, |_| None));
            }
            Pickled::Dict(members) => {
                members.iter().map(|(name, value)| (name.as_str(), value)).collect()
            }
            Pickled::Object(object) => object.attributes().collect(),
            _ => Vec::new(),
        };
        let entry = |name| {
            let found = entries.iter().find(|(other, _)| *other == name).map(|(_, node)| *node);
            found.filter(|node| !matches!(node.value, Value::Null))
        };
        let (Some(task), Some(args), Some(kwargs)) =
            (entry("task"), entry("args"), entry("kwargs"))
        else {
            let problem = Problem::Missing { owner: "a message", member: "headers" };
            return Err(Fault::new(message.at, problem));
        };
        runs_here(Some(task))?;
        let mut members = self.arguments(&pickle, args, kwargs)?;
        let options = entry("options").map(|options| pickle.value(options)).transpose()?;
        let options = match options {
            Some(Pickled::Dict(options)) => options,
            _ => &[],
        };
        let option =
            |name: &str| options.iter().find(|(other, _)| other == name).map(|(_, value)| value);
        if let Some(hooks) = option("girder_result_hooks") {
            let hooks = self.value(&pickle, hooks, 1)?;
            members.push(("girder_result_hooks".to_owned(), hooks));
        }
        Ok(self.with_server(message, members, option))
    }

    /// The whole document. `said` is what the message itself says of the server.
    fn with_server<'n>(
        &self,
        message: &Node,
        mut members: Vec<(String, Node)>,
        said: impl Fn(&'static str) -> Option<&'n Node>,
    ) -> Node {
        // The token in the headers may only create jobs: those of the transforms go first.
        for (name, found) in
            [("girder_api_url", &self.server), ("girder_client_token", &self.token)]
        {
            let value = found.borrow_mut().take();
            if let Some(value) = value.or_else(|| said(name).map(copy)) {
                members.push((name.to_owned(), value));
            }
        }
        Node { at: message.at, value: Value::Object(members) }
    }

    /// The arguments of the task: those by position, those by name, and Celery's own.
    fn body<'n>(&self, pickle: &Pickle<'n>, body: &'n Node) -> Result<Vec<(String, Node)>, Fault> {
        match pickle.value(body)? {
            Pickled::List([args, kwargs, _]) => self.arguments(pickle, args, kwargs),
            _ => Err(no_arguments(body)),
        }
    }

    /// The arguments of the task: those by position, and those by name.
    fn arguments<'n>(
        &self,
        pickle: &Pickle<'n>,
        args: &'n Node,
        kwargs: &'n Node,
    ) -> Result<Vec<(String, Node)>, Fault> {
        let Pickled::List(args) = pickle.value(args)? else { return Err(no_arguments(args)) };
        let Pickled::Dict(kwargs) = pickle.value(kwargs)? else { return Err(no_arguments(kwargs)) };
        if let Some(extra) = args.get(PARAMETERS.len()) {
            let problem = too_many(args.len(), "arguments of docker_run", PARAMETERS.len());
            return Err(Fault::new(extra.at, problem));
        }
        let mut members = Vec::new();
        let by_position = PARAMETERS.iter().copied().zip(args);
        for (name, value) in by_position.chain(kwargs.iter().map(|(name, value)| (&**name, value)))
        {
            if DROPPED.contains(&name) || is_python_default(name, &value.value) {
                continue;
            }
            let value = match &value.value {
                Value::Null if TRUTH.contains(&name) => {
                    Node { at: value.at, value: Value::Bool(false) }
                }
                _ if name == "container_args" => self.container_args(pickle, value)?,
                _ => self.value(pickle, value, 1)?,
            };
            members.push((name.to_owned(), value));
        }
        let removes_itself = |(name, value): &(String, Node)| {
            matches!((name.as_str(), &value.value), ("remove" | "auto_remove", Value::Bool(true)))
        };
        if members.iter().any(removes_itself) {
            // Girder Worker does not remove it then, and the engine does.
            members.retain(|(name, value)| {
                !matches!((name.as_str(), &value.value), ("remove_container", Value::Bool(false)))
            });
        }
        Ok(members)
    }

    /// As Girder Worker passes them: what is no transform becomes its `str()`.
    fn container_args<'n>(&self, pickle: &Pickle<'n>, node: &'n Node) -> Result<Node, Fault> {
        let Pickled::List(items) = pickle.value(node)? else { return self.value(pickle, node, 1) };
        let argument = |item: &'n Node| match python::str_of(pickle, item)? {
            Some(text) => Ok(Node { at: item.at, value: Value::String(text) }),
            None if is_set(item) => Err(unknown_class(item.at, "set", SORTED)),
            None => self.value(pickle, item, 2).map_err(with_str),
        };
        let items = items.iter().map(argument).collect::<Result<_, Fault>>()?;
        Ok(Node { at: node.at, value: Value::Array(items) })
    }

    /// Each hook is a pickle of its own.
    fn hooks(&self, hooks: &Node) -> Result<Node, Fault> {
        let Value::Array(items) = &hooks.value else { return Ok(copy(hooks)) };
        let hook = |hook| self.value(&Pickle::read(hook)?, hook, 2);
        let items = items.iter().map(hook).collect::<Result<_, Fault>>()?;
        Ok(Node { at: hooks.at, value: Value::Array(items) })
    }

    fn value<'n>(&self, pickle: &Pickle<'n>, node: &'n Node, depth: usize) -> Result<Node, Fault> {
        self.count(node, depth)?;
        let value = match pickle.value(node)? {
            Pickled::Scalar(scalar) => copy(scalar).value,
            Pickled::List(items) => {
                let items = items.iter().map(|item| self.value(pickle, item, depth + 1));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Pickled::Dict(members) => {
                let member = |(name, value): &'n (String, Node)| {
                    let name = key(name).ok_or_else(|| {
                        let found = "a key that is not a string".to_owned();
                        let expected = "a string or a number".to_owned();
                        Fault::new(value.at, Problem::Unexpected { found, expected })
                    })?;
                    Ok((name.into_owned(), self.value(pickle, value, depth + 1)?))
                };
                Value::Object(members.iter().map(member).collect::<Result<_, Fault>>()?)
            }
            Pickled::Object(object) => return self.object(pickle, node, object, depth),
            Pickled::Made(made) => match python::path(made) {
                Some(text) => Value::String(text),
                None if made.by.is_empty() => return Err(unexpected(node, "an object")),
                None => return Err(unknown_class(node.at, made.by, STRING)),
            },
            Pickled::Bytes(_) => return Err(unknown_class(node.at, "bytes", DECODED)),
            Pickled::Other(what) => return Err(unexpected(node, what)),
        };
        Ok(Node { at: node.at, value })
    }

    /// An object of one of the known classes.
    fn object<'n>(
        &self,
        pickle: &Pickle<'n>,
        node: &'n Node,
        object: Object<'n>,
        depth: usize,
    ) -> Result<Node, Fault> {
        if object.class_name() == OBJECT_ID {
            return object_id(pickle, node, object);
        }
        if DICTIONARIES.contains(&object.class_name()) {
            let entries = object.attributes().filter(|(name, _)| *name != "__dict__");
            let entries = entries
                .map(|(name, value)| Ok((name.to_owned(), self.value(pickle, value, depth + 1)?)));
            let entries = entries.collect::<Result<_, Fault>>()?;
            return Ok(Node { at: node.at, value: Value::Object(entries) });
        }
        let (class, row) = known(&object)?;
        let text = |at, text: &str| Node { at, value: Value::String(text.to_owned()) };
        let mut members = vec![("type".to_owned(), text(object.class.at, row.shape.name))];
        if let (Some(number), Some(member)) = (object.shared, class.identity) {
            members.push((member.to_owned(), text(object.class.at, &format!("py/id {number}"))));
        }
        for (name, value) in object.attributes() {
            if name == "gc" {
                self.client(pickle, value)?;
            } else if let Some((_, ours)) = class.members.iter().find(|(theirs, _)| *theirs == name)
            {
                let value = self.value(pickle, value, depth + 1)?;
                if !matches!(value.value, Value::Null) {
                    members.push(((*ours).to_owned(), value));
                }
            } else if !class.ignored.contains(&name) && !is_empty(value) {
                let hint = Hint::new(name, class.members.iter().map(|(theirs, _)| *theirs));
                let (owner, member) = (row.shape.name, shortened(name));
                return Err(Fault::new(value.at, Problem::UnknownMember { owner, member, hint }));
            }
        }
        Ok(Node { at: node.at, value: Value::Object(members) })
    }

    /// Takes address and token of a transform's client.
    fn client<'n>(&self, pickle: &Pickle<'n>, node: &'n Node) -> Result<(), Fault> {
        let Pickled::Object(client) = pickle.value(node)? else { return Ok(()) };
        for (name, value) in client.attributes() {
            let Value::String(text) = &value.value else { continue };
            let (found, text) = match name {
                "urlBase" => (&self.server, text.trim_end_matches('/')),
                // A client that nobody has logged in has the empty one.
                "token" if !text.is_empty() => (&self.token, text.as_str()),
                _ => continue,
            };
            let mut found = found.borrow_mut();
            match &*found {
                Some(other) if name == "urlBase" && other.as_str() != Some(text) => {
                    return Err(Fault::new(value.at, Problem::OtherServer));
                }
                Some(_) => {}
                None => {
                    let value = Node { at: value.at, value: Value::String(text.to_owned()) };
                    *found = Some(value);
                }
            }
        }
        Ok(())
    }

    /// A reference can stand for much, and for what it is in itself: the document is bounded as if
    /// it had been written out.
    fn count(&self, node: &Node, depth: usize) -> Result<(), Fault> {
        self.nodes.set(self.nodes.get() + 1);
        if depth > MAX_DEPTH {
            return Err(Fault::new(node.at, too_many(depth, "levels of nesting", MAX_DEPTH)));
        }
        if self.nodes.get() > MAX_NODES {
            return Err(Fault::new(node.at, too_many(self.nodes.get(), "values", MAX_NODES)));
        }
        Ok(())
    }
}

/// Refuses a task that is not about a container.
fn runs_here(task: Option<&Node>) -> Result<(), Fault> {
    let Some(task) = task else { return Ok(()) };
    let name = task.as_str().unwrap_or_default();
    if TASKS.contains(&name) {
        return Ok(());
    }
    let (name, known) = (shortened(name), TASKS.join(", "));
    Err(Fault::new(task.at, Problem::UnknownTask { name, known }))
}

fn no_arguments(node: &Node) -> Fault {
    let (found, expected) = (node.describe(true), "the arguments of a task".to_owned());
    Fault::new(node.at, Problem::Unexpected { found, expected })
}

/// Girder's ids, where they were not made strings.
const OBJECT_ID: &str = "bson.objectid.ObjectId";

fn object_id<'n>(pickle: &Pickle<'n>, node: &'n Node, id: Object<'n>) -> Result<Node, Fault> {
    let state = id.state().map(|state| pickle.value(state)).transpose()?;
    let Some(Pickled::Bytes(bytes)) = state else { return Err(unexpected(node, "no id")) };
    let digits = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Node { at: node.at, value: Value::String(digits) })
}

fn known(object: &Object<'_>) -> Result<(&'static Class, &'static Row), Fault> {
    let name = object.class_name();
    if let Some((_, member, why)) = REFUSED.iter().find(|(class, ..)| *class == name) {
        let problem = Problem::Refused { member, why };
        return Err(Fault::new(object.class.at, problem));
    }
    vocabulary::classes().find(|(class, _)| class.name == name).ok_or_else(|| {
        let hint = Hint::new(name, vocabulary::classes().map(|(class, _)| class.name));
        Fault::new(object.class.at, Problem::UnknownClass { name: shortened(name), hint })
    })
}

/// What is said in Python of what cannot be in a message, so that it can.
const STRING: &str = "in Python, `str(…)` makes a string of it";
const DECODED: &str = "in Python, `.decode()` makes a string of it";
const SORTED: &str = "it has no order: in Python, `str(sorted(…))` makes a string of it";

fn unknown_class(at: usize, name: &str, way: &'static str) -> Fault {
    Fault::new(at, Problem::UnknownClass { name: shortened(name), hint: Hint::Python(way) })
}

/// An argument of a class that is not like one of ours could be its text.
fn with_str(mut fault: Fault) -> Fault {
    if let Problem::UnknownClass { hint: hint @ Hint::Known(_), .. } = &mut fault.problem {
        *hint = Hint::Python(STRING);
    }
    fault
}

/// What Girder calls `jobInfoSpec`.
fn girder_job(spec: &Node) -> Node {
    let Value::Object(members) = &spec.value else { return copy(spec) };
    let ours = |(name, value): &(String, Node)| {
        let mut value = copy(value);
        match name.as_str() {
            "url" | "headers" | "reference" | "logPrint" => {}
            "method" if matches!(value.value, Value::Null) => return None,
            "method" => {
                if let Value::String(method) = &mut value.value {
                    method.make_ascii_uppercase();
                }
            }
            _ => return None,
        }
        Some((name.clone(), value))
    };
    Node { at: spec.at, value: Value::Object(members.iter().filter_map(ours).collect()) }
}

/// A member that is there and not null.
fn member<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Value::Object(members) = &node.value else { return None };
    let (_, member) = members.iter().find(|(other, _)| other == name)?;
    (!matches!(member.value, Value::Null)).then_some(member)
}

fn need<'n>(node: &'n Node, owner: &'static str, name: &'static str) -> Result<&'n Node, Fault> {
    member(node, name).ok_or_else(|| Fault::new(node.at, Problem::Missing { owner, member: name }))
}

/// Whether a member that is not known says nothing.
fn is_empty(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

fn copy(node: &Node) -> Node {
    let value = match &node.value {
        Value::Null => Value::Null,
        Value::Bool(value) => Value::Bool(*value),
        Value::Number(digits) => Value::Number(digits.clone()),
        Value::String(text) => Value::String(text.clone()),
        Value::Array(items) => Value::Array(items.iter().map(copy).collect()),
        Value::Object(members) => {
            let member = |(name, value): &(String, Node)| (name.clone(), copy(value));
            Value::Object(members.iter().map(member).collect())
        }
    };
    Node { at: node.at, value }
}

fn unexpected(node: &Node, found: &str) -> Fault {
    let expected = "a value or one of Girder Worker's transforms".to_owned();
    Fault::new(node.at, Problem::Unexpected { found: found.to_owned(), expected })
}
