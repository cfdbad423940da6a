//! `gantline depot`: serves a folder until a signal comes.

use std::io::{self, Read};
use std::thread;

use super::args::DepotArgs;
use super::signals::Signals;
use super::{Failure, exit, render};
use crate::depot::{Depot, DepotError, DepotOptions, DepotToken};

/// Serves, and prints what and where.
pub(super) fn serve(args: DepotArgs) -> Result<u8, Failure> {
    let signals = Signals::take().map_err(|error| Failure::failed(&error))?;
    let mut options = DepotOptions::new(args.dir);
    options.listen = args.listen;
    if !args.listen.ip().is_loopback() && args.token.is_none() {
        render::say(&format!(
            "warning: whoever reaches {} may read what is in the folder: --token lets in only those \
             who show it",
            args.listen
        ));
    }
    options.token = args.token.map(DepotToken::new);
    let failed = |error: DepotError| {
        let mut failure = Failure::failed(&error);
        if let DepotError::Listen { source, .. } = &error
            && source.kind() == io::ErrorKind::AddrInUse
        {
            failure.message.push_str("; --listen 127.0.0.1:0 takes a port that is free");
        }
        failure
    };
    let depot = Depot::open(options).map_err(failed)?;
    let mut text = format!("serving on http://{}/api/v1\n", depot.address());
    for file in depot.files().map_err(failed)? {
        let size = render::bytes(file.size);
        text.push_str(&format!("{}  {size:>12}  {}\n", file.id, file.path.display()));
    }
    render::print(&text)?;
    let stop = depot.stop_handle();
    if args.while_heard {
        let stop = depot.stop_handle();
        let listen = move || {
            // Nothing is said there; its end is what counts.
            let _ = io::stdin().read(&mut [0]);
            stop.stop();
        };
        let listening = thread::Builder::new().name("gantline-stdin".to_owned()).spawn(listen);
        listening.map_err(|error| Failure::failed(&error))?;
    }
    let stopping = signals.each(move |_| stop.stop()).map_err(|error| Failure::failed(&error))?;
    depot.serve().map_err(failed)?;
    drop(stopping);
    Ok(exit::DONE)
}
