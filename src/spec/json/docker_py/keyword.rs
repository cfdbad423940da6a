//! A row of the table of docker-py's keywords.

use crate::spec::docker_py::Goes;
use crate::spec::json::table::{Kind, Member};
use crate::spec::json::{Fault, Node};

/// One keyword of docker-py.
pub(in crate::spec) struct Keyword {
    pub(in crate::spec) member: Member,
    pub(super) goes: Goes,
    /// None: it is sent as it is.
    pub(super) make: Option<Make>,
}

/// Makes of a value that was checked what the engine is sent.
pub(super) type Make = fn(&Node) -> Result<serde_json::Value, Fault>;

impl Keyword {
    pub(super) const fn new(
        name: &'static str,
        kind: Kind,
        goes: Goes,
        about: &'static str,
    ) -> Self {
        let member = Member::optional(name, kind, about).or_null();
        Self { member, goes, make: None }
    }

    pub(super) const fn made_by(mut self, make: Make) -> Self {
        self.make = Some(make);
        self
    }

    pub(super) const fn example(mut self, json: &'static str) -> Self {
        self.member = self.member.example(json);
        self
    }
}
