//! A job document that is being read: the volumes and the ends that it has named so far, and the
//! transforms in their places.

use super::declared::Volumes;
use super::row::{Reads, Row};
use super::taken::Taken;
use crate::spec::Argument;
use crate::spec::connect::{Connect, Sink, Source};
use crate::spec::error::Problem;
use crate::spec::hook::Hook;
use crate::spec::json::fields::Fields;
use crate::spec::json::table::Role;
use crate::spec::json::{Fault, Node};
use crate::spec::volume::{VolumePath, VolumeRef};

/// What has been read of a job.
pub(in crate::spec) struct Reading {
    /// Which transforms there are.
    rows: fn(&str) -> Option<&'static Row>,
    pub(in crate::spec) volumes: Volumes,
    pub(super) taken: Taken,
    /// What its author should know, and is no fault.
    pub(in crate::spec) warnings: Vec<String>,
}

impl Reading {
    /// Begins with nothing; `rows` finds a transform by its name.
    pub(super) fn new(rows: fn(&str) -> Option<&'static Row>) -> Self {
        Self { rows, volumes: Volumes::default(), taken: Taken::default(), warnings: Vec::new() }
    }

    /// A transform in `container_args`.
    pub(in crate::spec) fn argument(&mut self, node: &Node) -> Result<Argument, Fault> {
        let fields = &Fields::of(node);
        Ok(match self.reads(fields)? {
            Reads::Volume(read) => Argument::Volume(read(fields, self)?),
            Reads::Path(read) => Argument::VolumePath(read(fields, self)?),
            Reads::InputPipe(read) | Reads::OutputPipe(read) => Argument::Fifo(read(fields, self)?),
            Reads::Connect(read) => Argument::Connect(Box::new(read(fields, self)?)),
            Reads::Download(read) => Argument::Download(read(fields, self)?),
            Reads::Argument(read) => read(fields, self)?,
            Reads::Source(_) | Reads::ContainerStream(_) | Reads::Sink(_) | Reads::Hook(_) => {
                return Err(misplaced(fields));
            }
        })
    }

    /// A transform that is a volume.
    pub(in crate::spec) fn volume(&mut self, node: &Node) -> Result<VolumeRef, Fault> {
        let fields = &Fields::of(node);
        match self.reads(fields)? {
            Reads::Volume(read) => read(fields, self),
            _ => Err(misplaced(fields)),
        }
    }

    /// The volume that a transform's member `volume` means: by an object, by a name, or the default
    /// one.
    pub(super) fn volume_of(&mut self, fields: &Fields<'_>) -> Result<VolumeRef, Fault> {
        let Some(node) = fields.get("volume") else { return Ok(VolumeRef::DEFAULT) };
        match node.as_str() {
            Some(name) => self.volumes.named(name, node.at),
            None => self.volume(node),
        }
    }

    /// The same, of a volume in which something is put, or taken out of, by us: `what` is told when
    /// it has no folder on the host.
    pub(super) fn volume_on_host(
        &mut self,
        fields: &Fields<'_>,
        what: impl FnOnce() -> String,
    ) -> Result<VolumeRef, Fault> {
        let volume = self.volume_of(fields)?;
        self.volumes.on_host(volume, fields.at(), what)?;
        Ok(volume)
    }

    /// A transform that is a path in a volume.
    pub(super) fn path(&mut self, node: &Node) -> Result<VolumePath, Fault> {
        let fields = &Fields::of(node);
        match self.reads(fields)? {
            Reads::Path(read) => read(fields, self),
            _ => Err(misplaced(fields)),
        }
    }

    /// Whether an object is a transform that may stand in a place.
    pub(super) fn is(&self, role: Role, node: &Node) -> bool {
        (self.rows)(Fields::of(node).type_name()).is_some_and(|row| row.reads.fits(role))
    }

    /// A transform in `stream_connectors`.
    pub(in crate::spec) fn connect(&mut self, node: &Node) -> Result<Connect, Fault> {
        let fields = &Fields::of(node);
        match self.reads(fields)? {
            Reads::Connect(read) => read(fields, self),
            _ => Err(misplaced(fields)),
        }
    }

    /// The `input` of a Connect.
    pub(super) fn source(&mut self, node: &Node) -> Result<Source, Fault> {
        let fields = &Fields::of(node);
        let source = match self.reads(fields)? {
            Reads::Source(read) | Reads::ContainerStream(read) => read(fields, self)?,
            Reads::OutputPipe(read) => Source::Fifo(read(fields, self)?),
            _ => return Err(misplaced(fields)),
        };
        self.taken.take_source(&source, &self.volumes, fields)?;
        Ok(source)
    }

    /// The `output` of a Connect.
    pub(super) fn sink(&mut self, node: &Node) -> Result<Sink, Fault> {
        let fields = &Fields::of(node);
        let sink = match self.reads(fields)? {
            Reads::Sink(read) => read(fields, self)?,
            Reads::InputPipe(read) => Sink::Fifo(read(fields, self)?),
            _ => return Err(misplaced(fields)),
        };
        self.taken.take_sink(&sink, &self.volumes, fields)?;
        Ok(sink)
    }

    /// A transform in `girder_result_hooks`.
    pub(in crate::spec) fn hook(&mut self, node: &Node) -> Result<Hook, Fault> {
        let fields = &Fields::of(node);
        match self.reads(fields)? {
            Reads::Hook(read) => read(fields, self),
            _ => Err(misplaced(fields)),
        }
    }

    fn reads(&self, fields: &Fields<'_>) -> Result<&'static Reads, Fault> {
        let row = (self.rows)(fields.type_name()).ok_or_else(|| misplaced(fields))?;
        Ok(&row.reads)
    }
}

/// What the check has refused before.
fn misplaced(fields: &Fields<'_>) -> Fault {
    Fault::new(fields.at(), Problem::Missing { owner: "a transform", member: "type" })
}
