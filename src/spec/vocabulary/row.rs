//! A row of the table of transforms: what one is called, what it holds, how it is read, and which
//! class of Girder Worker's it is.
//!
//! A row without a reader does not compile: [`Row::new`] takes one, and the reader alone says where
//! the transform may stand. So the parser, the check, the schema and the builder cannot differ in
//! what there is.

use super::reading::Reading;
use crate::spec::Argument;
use crate::spec::connect::{Connect, Fifo, Sink, Source};
use crate::spec::download::Download;
use crate::spec::hook::Hook;
use crate::spec::json::Fault;
use crate::spec::json::fields::Fields;
use crate::spec::json::table::{Role, Shape};
use crate::spec::volume::{VolumePath, VolumeRef};

/// One transform.
pub(in crate::spec) struct Row {
    /// Its name, which `type` says, and its members.
    pub(in crate::spec) shape: Shape,
    /// How it is read.
    pub(in crate::spec) reads: Reads,
    /// Girder Worker's class, unless it is only ours.
    pub(in crate::spec) class: Option<Class>,
}

impl Row {
    pub(super) const fn new(shape: Shape, reads: Reads) -> Self {
        Self { shape, reads, class: None }
    }

    pub(super) const fn of_class(mut self, class: Class) -> Self {
        self.class = Some(class);
        self
    }
}

/// Reads an object that was held against its row's shape.
pub(in crate::spec) type Reader<T> = fn(&Fields<'_>, &mut Reading) -> Result<T, Fault>;

/// What a transform is read as. That says where it may stand.
pub(in crate::spec) enum Reads {
    /// A volume.
    Volume(Reader<VolumeRef>),
    /// A path in a volume.
    Path(Reader<VolumePath>),
    /// A FIFO that the container reads.
    InputPipe(Reader<Fifo>),
    /// A FIFO that the container writes.
    OutputPipe(Reader<Fifo>),
    /// A source and a sink.
    Connect(Reader<Connect>),
    /// A download into a volume.
    Download(Reader<Download>),
    /// Something that can only be an argument.
    Argument(Reader<Argument>),
    /// A source outside the container.
    Source(Reader<Source>),
    /// A stream of the container.
    ContainerStream(Reader<Source>),
    /// A sink outside the container.
    Sink(Reader<Sink>),
    /// Something that is done with results.
    Hook(Reader<Hook>),
}

impl Reads {
    /// Whether it may stand in a place.
    pub(super) fn fits(&self, role: Role) -> bool {
        match self {
            Self::Volume(_) => matches!(role, Role::Argument | Role::Part | Role::Volume),
            Self::Path(_) => matches!(role, Role::Argument | Role::Part | Role::Path),
            Self::InputPipe(_) => {
                matches!(role, Role::Argument | Role::Sink | Role::ContainerSink)
            }
            Self::OutputPipe(_) => {
                matches!(role, Role::Argument | Role::Source | Role::ContainerSource)
            }
            Self::Connect(_) => matches!(role, Role::Argument | Role::Connect),
            Self::Download(_) => matches!(role, Role::Argument | Role::Part),
            Self::Argument(_) => matches!(role, Role::Argument),
            Self::Source(_) => matches!(role, Role::Source),
            Self::ContainerStream(_) => matches!(role, Role::Source | Role::ContainerSource),
            Self::Sink(_) => matches!(role, Role::Sink),
            Self::Hook(_) => matches!(role, Role::Hook),
        }
    }

    /// Where it belongs, for those who have put it elsewhere.
    pub(in crate::spec) fn belongs(&self) -> &'static str {
        match self {
            Self::Volume(_) => "`volumes`, `container_args` or the `volume` of another transform",
            Self::Path(_) => "`container_args` or the `volumepath` of a hook",
            Self::InputPipe(_) => "`container_args` or the `output` of a Connect",
            Self::OutputPipe(_) => "`container_args` or the `input` of a Connect",
            Self::Connect(_) => "`container_args` or `stream_connectors`",
            Self::Download(_) | Self::Argument(_) => "`container_args`",
            Self::Source(_) | Self::ContainerStream(_) => "the `input` of a Connect",
            Self::Sink(_) => "the `output` of a Connect",
            Self::Hook(_) => "`girder_result_hooks`",
        }
    }
}

/// A class of Girder Worker's, and what becomes of its attributes.
pub(in crate::spec) struct Class {
    /// With its module.
    pub(in crate::spec) name: &'static str,
    /// Its attributes, and the transform's members.
    pub(in crate::spec) members: &'static [(&'static str, &'static str)],
    /// Attributes that only matter to the process in which they are set.
    pub(in crate::spec) ignored: &'static [&'static str],
    /// The member that tells two objects of the class apart, where it matters which one is meant.
    pub(in crate::spec) identity: Option<&'static str>,
}

impl Class {
    pub(super) const fn new(
        name: &'static str,
        members: &'static [(&'static str, &'static str)],
    ) -> Self {
        Self { name, members, ignored: &[], identity: None }
    }

    pub(super) const fn ignoring(mut self, attributes: &'static [&'static str]) -> Self {
        self.ignored = attributes;
        self
    }

    pub(super) const fn identified_by(mut self, member: &'static str) -> Self {
        self.identity = Some(member);
        self
    }
}
