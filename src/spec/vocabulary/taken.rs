//! The ends that a job's transfers have taken: no two share one.

use std::collections::HashSet;
use std::path::PathBuf;

use super::declared::{Volumes, cleaned};
use crate::spec::connect::{Fifo, FifoPlace, Sink, Source};
use crate::spec::error::Problem;
use crate::spec::json::fields::Fields;
use crate::spec::json::{Fault, shortened, too_many};
use crate::spec::limits::MAX_TRANSFERS;
use crate::spec::volume::VolumeRef;

#[derive(Default)]
pub(super) struct Taken {
    count: usize,
    fifos: HashSet<(Folder, String)>,
    files: HashSet<PathBuf>,
    stdout: bool,
    stderr: bool,
}

/// A folder in which FIFOs are made, however it was said.
#[derive(PartialEq, Eq, Hash)]
enum Folder {
    Host(String),
    Temporary(VolumeRef),
}

impl Taken {
    /// One transfer more.
    pub(super) fn count(&mut self, fields: &Fields<'_>) -> Result<(), Fault> {
        self.count += 1;
        if self.count > MAX_TRANSFERS {
            return Err(Fault::new(fields.at(), too_many(self.count, "transfers", MAX_TRANSFERS)));
        }
        Ok(())
    }

    /// Takes a source, unless another transfer has it.
    pub(super) fn take_source(
        &mut self,
        source: &Source,
        volumes: &Volumes,
        fields: &Fields<'_>,
    ) -> Result<(), Fault> {
        let taken = match source {
            Source::Fifo(fifo) => return self.take_fifo(fifo, volumes, fields),
            Source::ContainerStdOut => std::mem::replace(&mut self.stdout, true),
            Source::ContainerStdErr => std::mem::replace(&mut self.stderr, true),
            // Two readers of one file, or two requests, do not disturb each other.
            _ => false,
        };
        match taken {
            true => Err(Fault::new(fields.at(), Problem::EndTaken(fields.type_name().to_owned()))),
            false => Ok(()),
        }
    }

    /// Takes a sink, unless another transfer has it.
    pub(super) fn take_sink(
        &mut self,
        sink: &Sink,
        volumes: &Volumes,
        fields: &Fields<'_>,
    ) -> Result<(), Fault> {
        match sink {
            Sink::Fifo(fifo) => self.take_fifo(fifo, volumes, fields),
            Sink::HostFile { path } if !self.files.insert(path.clone()) => {
                let file = format!("the file {}", shortened(&path.to_string_lossy()));
                Err(Fault::new(fields.at(), Problem::EndTaken(file)))
            }
            _ => Ok(()),
        }
    }

    /// Takes a FIFO, unless another transfer has it.
    pub(super) fn take_fifo(
        &mut self,
        fifo: &Fifo,
        volumes: &Volumes,
        fields: &Fields<'_>,
    ) -> Result<(), Fault> {
        let folder = match &fifo.place {
            FifoPlace::Volume(volume) => match volumes.host_path(*volume) {
                Some(path) => Folder::Host(cleaned(path)),
                None => Folder::Temporary(*volume),
            },
            FifoPlace::Paths { host_path, .. } => {
                Folder::Host(cleaned(&host_path.to_string_lossy()))
            }
        };
        if self.fifos.insert((folder, fifo.name.clone())) {
            return Ok(());
        }
        Err(Fault::new(fields.at(), Problem::FifoTaken(shortened(&fifo.name))))
    }
}
