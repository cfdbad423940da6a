//! What has changed, for those who use the command, the worker or the library.
//!
//! # 0.1.0, not published yet
//!
//! ## The library
//!
//! - It stands on its own: `default-features = false` leaves out the command, the benchmark and the worker
//!   with what they need.
//! - It shows a job, its builder and its plan, runs, events, [`settings`](crate::settings) and
//!   [`transfers`](crate::transfers), which move bytes without a container. All else is internal.
//! - A run has settings of its own ([`RunSettings`](crate::run::RunSettings)): events, standard output into any
//!   writer, labels. Each event names its run, and what moves has an id.
//! - A run's end can be waited for, looked for, awaited and heard of ([`RunHandle`](crate::RunHandle)).
//! - What the environment says is one call away: [`Settings::from_env`](crate::settings::Settings::from_env).
//! - A job cannot be made wrong: only parsers and the builder make one.
//! - Errors name what has failed: a request that cannot be made, an answer that is not HTTP and a folder that
//!   cannot be made are kinds of their own.
//! - Each error that a run can end with has a public name, beside [`Cause`](crate::run::Cause).
//! - What may get another member can: [`EngineSettings`](crate::run::EngineSettings),
//!   [`DownloadOptions`](crate::run::DownloadOptions) and [`Limits`](crate::run::Limits) are made by `default()` and
//!   `with_…`, no longer from their fields.
//! - [`Source::descriptor`](crate::transfers::Source::descriptor) splices where the kernel can, and takes a regular file
//!   from its offset on. It no longer spools: a slow sink holds up who writes.
//! - [`guard`](crate::guard()), called early in `main`: should the process be killed, its containers are killed before a
//!   program can take the part of a file that it has got for the whole.
//! - It builds with Rust 1.89.
//!
//! ## The command and the worker
//!
//! - A worker that ends with `--acks-late` says in the log of the job that it has given it back, and the next one runs it at
//!   once. One that did not hear Girder's answer as it began a job looks whether Girder has heard it, and no longer
//!   takes another worker's job for its own.
//! - A message that comes again: the silence of other workers counts only while our own answer comes through, so that a
//!   broker that stands still runs no job twice; another worker of the same name is heard as well; and whose message has
//!   become the broker's again does not run it.
//! - Names of workers and queues with spaces, control characters or more than 200 bytes are refused at the start.
//! - The file of `--statedb` is written beside everything else: a slow disk holds no answer to remote control up.
//! - Uploads go over the data plane: a file goes into the socket inside the kernel (sendfile), over a connection that is
//!   kept; with TLS it passes through its records.
//! - A command or a worker that is killed (SIGKILL, no memory) has its container killed before a program sees the end of
//!   a file that was only half given: a second process holds the pipes as well, and ends with the first.
//! - A source that broke off is resumed only if it is still the same: by its strong tag, or else by the time of its last
//!   change; another weak tag or time fails the run. Where the server says nothing, the run warns. A coding that nobody
//!   asked for (`Content-Encoding`) is an error, and so are a redirect from https to http and the same page of a listing
//!   twice.
//! - The report has the most memory that the container held, its processor time, the image's digest, and the engine's
//!   name and version; `gantline run --summary` shows them.
//! - `gantline run --timeout`, `--stall-timeout`, `--connect-timeout`; `--on-closed-stdout stop|continue`: when nobody
//!   reads standard output any more, the container is stopped and the exit code is 141.
//! - `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy` count as curl has them, for Girder and for URLs of jobs
//!   ([`Proxies`](crate::run::Proxies) in the library).
//! - A server's own certificate that is named (`--ca-file`, `SSL_CERT_FILE`) is trusted, also one with `CA:TRUE`.
//! - A container whose exit the engine never tells is looked at, once in as long as a call may take.
//! - Where result hooks put files is looked at before the container starts: whether it is there, and whether we may
//!   write to it.
//! - A result that could not be put into Girder stays where it is, and the last line says with which `gantline upload`
//!   it comes there; `--keep never|on-failure|always`.
//! - A proxy that takes no large requests (413, `client_max_body_size`) gets smaller ones, down to the 5 MiB that Girder
//!   asks for.
//! - A signal ends a run within the container's grace and a second, the second one within a second, whatever does not
//!   answer or is not taken: standard output, a server, the engine. What could not be removed is in the record, for
//!   `gantline prune`.
//! - Who is not root has the engine open up what a container of root's has made in a temporary volume, by a helper of
//!   the job's own image: it can be uploaded, and is removed.
//! - What is tried again comes back after pauses that are up to a quarter longer by chance: many who were sent away at
//!   once do not come back at once.
//! - `Retry-After` is heeded, of a source and of a listing, up to a minute. A source that gives next to nothing before
//!   each break is given up, as one that gives nothing.
//! - `gantline prune` waits up to 10 s for a container that its engine was asked for just before the run was killed, and
//!   removes it. A container that is being removed already is waited for, by a prune and by a run.
//! - An input FIFO takes four descriptors, with its source, in place of seven.
//! - With podman a command that is not there or cannot be run gives 127 or 126, a container that has exited already is
//!   none that cannot be stopped, and a container that podman refused leaves no record.
//! - Docker's contexts (`docker context use`, `DOCKER_CONTEXT`) are followed for `unix://` and `tcp://`.
//! - Links inside a volume are followed when results are uploaded; none out of it, and none in a circle.
//! - With too few descriptors a run fails with one error, and cleans up. With too little memory (`ulimit -v`) it fails
//!   with one error before it makes anything.
//! - A value that is too long is said with its length and its bound: arguments and variables, names of hosts, files and
//!   containers, paths, labels.
//! - A guard that is killed is replaced at once, and the next one holds what it held.
//! - `--answer-timeout` says how long a server may take to begin an answer (30 s).
//! - A Girder that refuses for a moment is asked again for the records of streamed files.
//! - Output that ended with its container is whole, however late a busy engine tells of the exit.
//! - A token that a server says back is not told in part either, nor without the word before it (`Bearer`), nor is a
//!   password of a proxy's.
//! - `TMPDIR` may have a colon in its path.
//! - `check` and `run` warn of a bind mount whose source is not there.
//! - A credential helper that is not installed is a warning; a pull that fails while the image is there says so.
//! - On a terminal a signal is answered: "stopping, 10 s; again to kill".
//! - `--report -` is standard output. The report of an earlier run is removed when another begins. A job document has at
//!   most 16 MiB.
//! - `"fast_stdout": true` and `gantline run --fast-stdout`: a container's output comes by FIFOs, past the engine
//!   ([how](crate::manual::performance)).
//! - `gantline bench --against BINARY` compares two builds in turns, and its data have the date, the load and the quartiles;
//!   the picture says what was moved, and has a legend.
//! - `gantline help TOPIC` shows the manual, which is in the crate's docs as well ([`manual`](crate::manual)).
//! - `gantline run --image IMAGE [OPTION…] [ARG…]` runs a container without a document, with docker's options, and
//!   `--in`, `--out` for its pipes; `--print-job` prints the document.
//! - `gantline run --summary` says at the end what came of the run, in three lines.
//! - `gantline init`, `completions`, `man`, `version --json`. A misspelt `GANTLINE_LOG` is an error.
//! - A document may have a `$comment`. Its paths of the host are absolute, `HostFile`'s too; the error says what one
//!   would be. A member that is called otherwise elsewhere (`args`, `env`, `girder_token`) is answered with its name.
//! - `"remove": false` keeps the container; beside `"remove_container": true` it is an error.
//! - `--message` takes envelopes of Redis and RabbitMQ, Celery's signatures, and what kombu's `girder_io` writes.
//!   `None`, `True` and lists in a message's arguments become Python's `str()` of them.
//! - `links` takes pairs, and `volumes` the path of a new volume alone.
//! - Progress fits the terminal's width, has words for each phase and shows a ProgressPipe; where `CI` is set or
//!   `TERM` is `dumb`, it is lines.
//! - What is streamed from or to an address is called by its host and the end of its path.
//! - What is said on a terminal is harmless: control characters of others are shown and not sent. A token that a server
//!   says back is not told. The process leaves no core, and raises its limit of open files.
//! - A program that replaces its output FIFO by a file (`rm out; echo r > out`, `mv out.part out`) is understood: what
//!   is in the file is delivered, with a warning. Anything else in the FIFO's place fails the run.
//! - An engine that goes away while a container runs is waited for (`--engine-patience`, 60 s): inputs stay open, and the
//!   wait and the output go on when it is back. If it does not come back, the container is killed before its inputs end.
//! - Output whose connection ends before the container does comes from the engine's log, if that has it; so do the last
//!   words of a container while we stand still. What may be missing is told, is `incomplete` in the report, and fails
//!   the run where it is data: a file of the host, a POST, an item of Girder.
//! - A run that is to end does not wait for an engine that does not answer: what it leaves is written down for
//!   `gantline prune`. A process that lives on removes the container later by itself.
//! - An engine with another file system is found out before the container starts, by name of the folder that it does not
//!   see. A FIFO that nobody opened is a warning, and no file in Girder.
//! - `gantline worker` takes Girder Worker's messages from RabbitMQ and Redis, and runs their jobs.
//! - What Girder says of a job goes first: one that is cancelled there is stopped.
//! - A Girder that stays away for longer than `--girder-patience` ends the job: its container is stopped, and its
//!   result is a failure.
//! - The worker also counts how long jobs waited (`gantline_queue_seconds`), and requests to Girder that were sent
//!   again (`gantline_girder_retries_total`).
//! - `girder_client_session_kwargs`: headers, `verify`, `cert` and `proxies` are for the updates of the job.
//! - Of several workers that get the same message, one runs its job, and the others leave it to that one; the job's log
//!   begins with the name of who got it. A message that comes again, since its worker died, runs again.
//! - A message that comes again asks all workers first who has its job: a worker that lost only its connection to the
//!   broker keeps the job, and the job runs once.
//! - A job's result does not wait until its container is removed, and neither does the slot.
//! - A job whose time has come (`countdown`, `eta`) runs where a slot is free, and does not wait for one of the worker
//!   that has kept its message. A message is kept from other workers of a Redis while Girder is away.
//! - Results whose Redis is away are kept until it is back, for ten minutes.
//! - What goes through a pipe to `HostStdOut` or `HostStdErr` is in the job's log in Girder as well, as the container's
//!   own output is.
//! - Messages compressed with brotli or Zstandard are read, as all that kombu has.
//! - Remote control understands patterns. Revoked tasks are told by workers to each other when one comes up, and to
//!   whoever waits for the result.
//! - A worker that was killed clears its containers away when it starts again, with or without `--statedb`.
//! - `gantline worker --check` asks the engine as well, and says at once why there is no broker.
//! - The worker takes 56 crates more than the library, in place of 106: TLS to RabbitMQ is rustls without lapin's
//!   reading of PKCS #12.
//! - Many small files come and go quickly: up to sixteen listings and sixteen files of at most 128 KiB are asked for at
//!   once, over connections that are kept, and less when the server refuses or becomes slow; a small result goes with
//!   the request that makes it, four side by side. A host is looked up once a minute.
//! - `verify` in a job, `--verify` and `GANTLINE_VERIFY` say which files are held against the SHA-512 in Girder's
//!   record: `always`, `unless-spliced`, `large-only-by-length`, `never`. Streams are too, and one that is not what its
//!   record says has its container killed before it is shown the end; by default those that the kernel moves past us are
//!   when they broke off. A file that is being summed does not hold up the next.
//! - There are a unit for systemd, an image and a chapter on how to [replace
//!   girder-worker](crate::manual::replacing_girder_worker).
