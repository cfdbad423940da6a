//! The words that the tables of what there is are written in: the job document's in `document`, the
//! transforms' in `vocabulary`, docker-py's in [`docker_py`](super::docker_py).
//!
//! They say once what there is: every document is checked against them, and the JSON Schema is made
//! of them.

use super::docker_py::Keyword;
use super::rule::Rule;

/// What a value may be.
pub(in crate::spec) enum Kind {
    Bool,
    /// A number, as an argument.
    Number,
    /// A whole number from 0 to this.
    Whole(u64),
    /// A whole number that a 64-bit float holds exactly.
    Integer,
    /// Whatever JSON can say; the engine judges it.
    Anything,
    /// Nothing, as an alternative of something.
    Null,
    /// Exactly this string.
    Word(&'static str),
    /// A string.
    Text(&'static Rule),
    /// An array of at most so many.
    List {
        of: &'static Self,
        most: usize,
        unit: &'static str,
    },
    /// An object with any names.
    Map {
        names: &'static Rule,
        of: &'static Self,
        most: usize,
        unit: &'static str,
    },
    /// An object with these members.
    Object(&'static Shape),
    /// An object with a `type` that may stand in such a place.
    Typed(Role),
    /// An object with any names and values; or one with a `type` that may stand in such a place.
    Values {
        or: Role,
    },
    /// Any one of these; no two of them are objects, or arrays.
    Any(&'static [Self]),
}

impl Kind {
    /// Whether what is found in its place may be a secret, even if it is of another kind.
    pub(in crate::spec) fn is_secret(&self) -> bool {
        match self {
            Self::Text(rule) => rule.secret,
            Self::Map { names, of, .. } => names.secret || of.is_secret(),
            Self::List { of, .. } => of.is_secret(),
            Self::Any(kinds) => kinds.iter().any(Self::is_secret),
            Self::Bool
            | Self::Number
            | Self::Whole(_)
            | Self::Integer
            | Self::Anything
            | Self::Null
            | Self::Word(_)
            | Self::Object(_)
            | Self::Values { .. }
            | Self::Typed(_) => false,
        }
    }
}

/// A kind of object.
pub(in crate::spec) struct Shape {
    /// What `type` says, if there is one.
    pub(in crate::spec) name: &'static str,
    pub(in crate::spec) about: &'static str,
    pub(in crate::spec) members: &'static [Member],
    /// docker-py's, behind the members.
    pub(in crate::spec) keywords: &'static [&'static [Keyword]],
    pub(in crate::spec) relations: &'static [Relation],
    /// Members that are never to be set, and why.
    pub(in crate::spec) refused: &'static [(&'static str, &'static str)],
}

impl Shape {
    pub(in crate::spec) const fn new(
        name: &'static str,
        about: &'static str,
        members: &'static [Member],
    ) -> Self {
        Self { name, about, members, keywords: &[], relations: &[], refused: &[] }
    }

    pub(in crate::spec) const fn with_keywords(
        mut self,
        keywords: &'static [&'static [Keyword]],
    ) -> Self {
        self.keywords = keywords;
        self
    }

    pub(in crate::spec) const fn with_refused(
        mut self,
        refused: &'static [(&'static str, &'static str)],
    ) -> Self {
        self.refused = refused;
        self
    }

    pub(in crate::spec) const fn with_relations(mut self, relations: &'static [Relation]) -> Self {
        self.relations = relations;
        self
    }

    pub(in crate::spec) fn member(&self, name: &str) -> Option<&'static Member> {
        self.all_members().find(|member| member.name == name)
    }

    /// The members that are told to somebody who wrote another: not docker-py's.
    pub(in crate::spec) fn own_names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.members.iter().map(|member| member.name).filter(|name| !name.starts_with('$'))
    }

    /// The members, docker-py's too.
    pub(in crate::spec) fn all_members(
        &self,
    ) -> impl Iterator<Item = &'static Member> + Clone + use<> {
        let keywords = self.keywords.iter().copied().flatten();
        self.members.iter().chain(keywords.map(|keyword| &keyword.member))
    }
}

/// A member of an object.
pub(in crate::spec) struct Member {
    pub(in crate::spec) name: &'static str,
    pub(in crate::spec) kind: Kind,
    pub(in crate::spec) required: bool,
    /// `null` says the same as leaving it out: where Python's default is `None`.
    pub(in crate::spec) or_null: bool,
    pub(in crate::spec) about: &'static str,
    /// JSON.
    pub(in crate::spec) default: Option<&'static str>,
    /// JSON.
    pub(in crate::spec) example: Option<&'static str>,
}

impl Member {
    pub(in crate::spec) const fn required(
        name: &'static str,
        kind: Kind,
        about: &'static str,
    ) -> Self {
        Self { required: true, ..Self::optional(name, kind, about) }
    }

    pub(in crate::spec) const fn optional(
        name: &'static str,
        kind: Kind,
        about: &'static str,
    ) -> Self {
        Self { name, kind, required: false, or_null: false, about, default: None, example: None }
    }

    pub(in crate::spec) const fn or_null(mut self) -> Self {
        self.or_null = true;
        self
    }

    pub(in crate::spec) const fn default(mut self, json: &'static str) -> Self {
        self.default = Some(json);
        self
    }

    pub(in crate::spec) const fn example(mut self, json: &'static str) -> Self {
        self.example = Some(json);
        self
    }
}

/// What the members of one object ask of each other.
pub(in crate::spec) enum Relation {
    /// Both or neither.
    Together(&'static str, &'static str),
    /// One of them at least.
    Either(&'static str, &'static str),
    /// Not both.
    Exclusive(&'static str, &'static str),
    /// One member at least is an object with a `type` that could stand in such a place.
    OneIs(&'static [(&'static str, Role)]),
}

/// A place of the document in which an object with a `type` may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::spec) enum Role {
    /// An argument of the container's command.
    Argument,
    /// A volume.
    Volume,
    /// A path in a volume.
    Path,
    /// A volume, a path in one or a download, in a list of them that is one argument.
    Part,
    /// One of `stream_connectors`.
    Connect,
    /// Where bytes come from.
    Source,
    /// The same, out of the container.
    ContainerSource,
    /// Where bytes go.
    Sink,
    /// The same, into the container.
    ContainerSink,
    /// What is done with results.
    Hook,
}

/// Which objects with a `type` there are.
#[derive(Clone, Copy)]
pub(in crate::spec) struct Words {
    /// Those that may stand in a place.
    pub(in crate::spec) here: fn(Role) -> Vec<&'static Shape>,
    /// The one of a name, if it may stand in a place.
    pub(in crate::spec) named: fn(&str, Role) -> Option<&'static Shape>,
    /// All there are, and where each belongs.
    pub(in crate::spec) everywhere: fn() -> Vec<(&'static Shape, &'static str)>,
}

impl Words {
    /// None: where only docker-py's keywords are read.
    pub(in crate::spec) const NONE: Self =
        Self { here: |_| Vec::new(), named: |_, _| None, everywhere: Vec::new };
}
