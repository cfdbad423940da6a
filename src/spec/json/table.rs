//! The words that the table of the job document is written in.
//!
//! The table itself is in `document` and `transform`. It says once what there is: the parser checks
//! every document against it, and the JSON Schema is made of it.

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
    /// An object whose `type` is the name of one of these.
    Typed(&'static [&'static Shape]),
    /// An object with any names and values; or, if its `type` is the name of this one, this.
    Values {
        or: &'static Shape,
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
    /// For a transform: Girder Worker's class name, which `type` says.
    pub(in crate::spec) name: &'static str,
    pub(in crate::spec) about: &'static str,
    /// Where it belongs, for those who have put it elsewhere.
    pub(in crate::spec) belongs: &'static str,
    pub(in crate::spec) members: &'static [Member],
    /// docker-py's, behind the members.
    pub(in crate::spec) keywords: &'static [&'static [Keyword]],
    pub(in crate::spec) relations: &'static [Relation],
    /// Members that a later version will have.
    pub(in crate::spec) later: &'static [&'static str],
    /// Members that are never to be set, and why.
    pub(in crate::spec) refused: &'static [(&'static str, &'static str)],
}

impl Shape {
    pub(in crate::spec) const fn new(
        name: &'static str,
        belongs: &'static str,
        about: &'static str,
        members: &'static [Member],
    ) -> Self {
        Self {
            name,
            about,
            belongs,
            members,
            keywords: &[],
            relations: &[],
            later: &[],
            refused: &[],
        }
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
        self.members.iter().map(|member| member.name).filter(|name| *name != "$schema")
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
    /// One member at least is a transform of the container: its name, and those that are.
    InContainer(&'static [(&'static str, &'static [&'static Shape])]),
}
