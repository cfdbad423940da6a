//! Where a run's bytes go to.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, PoisonError};

use crate::event::TransferId;
use crate::hook::{Access, Inlet, StreamUpload, StreamedFile};
use crate::http::{HeaderValue, Post};
use crate::pump::Sink;
use crate::run::blocking::blocking;
use crate::run::error::Cause;
use crate::run::live::Live;
use crate::run::settings::{HostStream, Keep};
use crate::run::transfers::host_file::{self, Opened};
use crate::run::transfers::relay::Relay;
use crate::run::transfers::teed::Teed;
use crate::spec;

/// The sinks of transfers that have not begun.
#[derive(Debug, Default)]
pub(crate) struct Sinks(BTreeMap<TransferId, Sink>);

impl Sinks {
    /// Opens the sink of every transfer. FIFOs must have been made.
    pub(crate) async fn open(live: &mut Live) -> Result<Self, Cause> {
        let mut sinks = BTreeMap::new();
        for (at, id) in live.transfers.ids().into_iter().enumerate() {
            sinks.insert(id, open_sink(live, at, id).await?);
        }
        // The sinks have their own copies; whoever reads is to see the end with theirs.
        (live.given.stdout, live.given.stderr) = Default::default();
        Ok(Self(sinks))
    }

    /// The sink of a transfer that begins.
    pub(crate) fn take(&mut self, transfer: TransferId) -> Result<Sink, Cause> {
        self.0.remove(&transfer).ok_or(Cause::Bug("a transfer without a sink"))
    }
}

async fn open_sink(live: &mut Live, at: usize, id: TransferId) -> Result<Sink, Cause> {
    let transfer = live.plan.transfers.get(at).ok_or(Cause::Bug("a transfer out of the plan"))?;
    match &transfer.sink {
        spec::Sink::Fifo(fifo) => {
            let fifo = live.made.fifos.get(fifo.at).ok_or(Cause::Bug("a FIFO was not made"))?;
            Ok(Sink::Fifo(fifo.share()))
        }
        spec::Sink::HostStdOut => {
            let relays = &mut live.made.relays;
            let output = live.given.stdout.sink(&io::stdout(), "standard output", relays)?;
            live.logged(at, output, "standard output")
        }
        spec::Sink::HostStdErr => {
            let relays = &mut live.made.relays;
            let output = live.given.stderr.sink(&io::stderr(), "standard error", relays)?;
            live.logged(at, output, "standard error")
        }
        spec::Sink::ChunkedPost { url, headers } => {
            let post =
                headers.iter().fold(Post::new(url.as_url().clone()), |post, (name, value)| {
                    post.with_header(name, HeaderValue::new(value.expose()))
                });
            let client = live.shared.http.clone();
            // Made here once and dropped: a header that cannot be sent fails early.
            client.post(post.clone()).map_err(|error| Cause::PostRequest {
                label: transfer.sink.to_string(),
                source: Box::new(error),
            })?;
            Ok(Sink::Post { client, post })
        }
        spec::Sink::GirderItem { item_id, name, size } => {
            let stays_in =
                (live.given.keep != Keep::Never).then(|| live.given.temporary_folder.clone());
            let (item_id, name) = (item_id.clone(), name.clone());
            let file = StreamedFile { item_id, name, size: *size, stays_in };
            let access = Access { client: live.store.open().await?, ledger: live.ledger.clone() };
            let folder = live.given.temporary_folder.clone();
            let (settler, label) = (live.transfers.settler(id), live.transfers.label(id));
            let begin = move || {
                StreamUpload::begin(file, &folder, access, settler)
                    .map_err(|error| Cause::Upload { label, source: Box::new(error) })
            };
            let (upload, inlet) = blocking(begin).await?;
            live.transfers.uploads(id, upload);
            Ok(match inlet {
                Inlet::Pipe(writer) => Sink::Inherited(writer),
                Inlet::File(file) => Sink::File(file),
            })
        }
        spec::Sink::Progress => Ok(live.progress_sink()),
        spec::Sink::HostFile { path } => {
            let (path, record) = (path.clone(), live.record.clone());
            let open = move || host_file::open(&path, &record).map_err(Cause::HostFile);
            Ok(match blocking(open).await? {
                Opened::Special(special) => Sink::Inherited(special),
                Opened::Regular(file, unfinished) => {
                    live.made.files.push((id, unfinished));
                    Sink::File(file)
                }
            })
        }
    }
}

impl Live {
    /// The sink of what goes to our own output, which is for the job's log as well. The container's own streams are
    /// heard as they pass.
    fn logged(&mut self, at: usize, output: OwnedFd, stream: &'static str) -> Result<Sink, Cause> {
        let transfer = self.plan.transfers.get(at);
        let is_heard = transfer.is_some_and(|transfer| {
            matches!(
                (&transfer.source, &transfer.sink),
                (spec::Source::ContainerStdOut, spec::Sink::HostStdOut)
                    | (spec::Source::ContainerStdErr, spec::Sink::HostStdErr)
            )
        });
        let Some(teller) = self.teller.as_ref().filter(|_| !is_heard) else {
            return Ok(Sink::Inherited(output));
        };
        let (relay, pipe) = Relay::start(Box::new(Teed::new(output, teller)))
            .map_err(|source| Cause::HostStream { stream, source })?;
        self.made.relays.push(relay);
        Ok(Sink::Inherited(pipe))
    }
}

impl HostStream {
    /// A descriptor of its own for whoever writes to this stream: several transfers may.
    fn sink(
        &mut self,
        ours: &impl AsFd,
        stream: &'static str,
        relays: &mut Vec<Relay>,
    ) -> Result<OwnedFd, Cause> {
        let failed = |source| Cause::HostStream { stream, source };
        if let Self::Writer(_) = self
            && let Self::Writer(writer) = std::mem::take(self)
        {
            let writer = writer.into_inner().unwrap_or_else(PoisonError::into_inner);
            let (relay, pipe) = Relay::start(writer).map_err(failed)?;
            relays.push(relay);
            *self = Self::Descriptor(Arc::new(pipe));
        }
        let copied = match self {
            Self::Descriptor(given) => given.try_clone(),
            Self::Inherited | Self::Writer(_) => ours.as_fd().try_clone_to_owned(),
        };
        copied.map_err(failed)
    }
}
