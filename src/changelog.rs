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
//! - Each line that a run logs is in its span, which has its id, whichever thread the line comes from.
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
//! - A file that Girder has made is found when the answer to the last attempt was lost, too; it was told as missing.
//! - Where splice(2) or sendfile(2) is forbidden (a seccomp profile says `EPERM`) uploads, `gantline depot` and a file that
//!   took an output pipe's place are copied, too. They failed.
//! - An error of a pipe says which step failed and names the pipe's path: a first opening, another one, a question, a watch.
//!   One of a splice out of a pipe is the sink's. A container that cannot be removed is no longer told as one that
//!   cannot be stopped, or created.
//! - What `gantline prune --all` could not remove of another user's it has removed as that user, by the commands that it says:
//!   a record may name anything.
//! - A prune asks an engine that does not answer once, and not once for each container.
//! - What takes the place of an output's FIFO and cannot be delivered stays. Who is not root gets a file of root's there, too.
//! - The kernel is asked to spare a guard for want of memory, where root may ask.
//! - A guard that was stopped (SIGSTOP) is replaced at once, and holds up neither an end nor a signal; it held up both for 5 s.
//! - What a run cannot write down for `gantline prune`, since the disk is full, it does not make. A line of a record that is
//!   not whole no longer keeps a prune from the others, and is told.
//! - An output FIFO whose folder the program replaces (`rm -rf dir; mkdir dir; echo r > dir/out`) is found by its name: what
//!   is there is delivered, or is an error. It was an empty result.
//! - A `GirderStreamToItem` of unknown size whose upload fails in the end stays on this host, and the last line uploads it.
//! - With podman, a second signal to a run whose container has just ended is no failure.
//! - Lines of progress on a terminal (`--progress plain`, `TERM=dumb`, `CI`) do not share a line with what the container
//!   prints. `gantline upload --metadata-of` says what it has done.
//! - A worker that is stopped no longer waits for a Girder that is away: what it could not tell goes back to its queue, or is
//!   told by its next start. A revoke ends a job whose start Girder has not heard of.
//! - A proxy that says 404 in Girder's place is waited out by the worker; the job was given up. So is a page with status 200,
//!   which was taken for Girder's word: a part of the log, or a job's end, was lost. Another command than the worker, whose
//!   first update is answered so, warns of it. The job of a chain's next step is asked for again; it had none after one 503.
//! - A message is acknowledged when `--statedb` has its job. One that may run elsewhere is held beside the slots, and keeps
//!   its mark when it is given back. Of jobs whose time has not come a thousand are held, and the rest takes turns:
//!   RabbitMQ's channels ran out. What a worker could not tell at its end is in its log.
//! - `add_consumer` refuses Girder's queue `local` and the one of `--others-to`. Tasks of Celery's protocol 1 are left to
//!   others; they were acknowledged and gone. Those that nobody can read, in pickle, or for a task of ours, are a
//!   failure for whoever waits for them; they were acknowledged without a word.
//! - A task whose id is no UUID, and cannot be a container's name, has one run: the state file, the container and the log
//!   named three.
//! - A server without `BLMOVE`, whatever version it names, is waited on by `BRPOPLPUSH`; the worker connected again and again.
//!   On a Redis before 6.2 workers hear each other's answers.
//! - With `--acks-late`, a message that has expired and comes again leaves its job where it runs; the job was cancelled. A
//!   worker that is stopped no longer waits for a disk with a job that has not begun.
//! - A place for results that is away, or refuses the worker, is named in its log at once.
//! - `ssl_check_hostname=false` in a rediss address holds; it was dropped.
//! - The job of a chain's next step is made with the settings of the task's `girder_client_session_kwargs`.
//! - The unit for systemd has `KillMode=process`, and Gantline as a container's first process begins itself anew below that:
//!   a worker that is killed no longer takes its guard along, which left a short file that looked whole. The worker warns
//!   of a container's `--init`, which ends before the guard.
//! - A device or a mount that is not there is no longer told as a program that is not there.
//! - `gantline run --image` says for each option of docker's that it does not have which member of a job document there is.
//!   An id in `--in` or `--out` that has lost a digit is warned of before it is taken for a file.
//! - A pipe in a folder of its volume that nobody has made is no longer told as `TMPDIR`'s fault.
//! - What is wrong with `-v`, `-m`, `--image` and the other options of `run --image` is told by the option's name.
//! - `gantline check` shows `<Girder API URL>` and `<Girder token>` where those will be, in place of nothing.
//! - Each upload in the report has its `seconds`, and the summary says the rate of the largest.
//! - `--girder-patience` of `gantline run` says for how long a Girder that cannot answer is asked again (6 s); the worker's
//!   holds for downloads and uploads, too. One 503 after the container's exit failed the run.
//! - A folder or file of the host may have a colon in its path. It could not be mounted, nor written.
//! - The JSON of reports and of `gantline schema` holds nothing that a terminal obeys.
//! - Python's `NaN`, `None`, `True` and comments in a job are named as what JSON has not. `-v ./data` without a path in the
//!   container, and a `HostFile` in a folder that is not there, say what is missing.
//! - On a terminal, a container's last line that has no end (`printf x`) stays: a bar shared the line, and took it away.
//! - Commands that are told to be pasted have names with spaces in quotes. A `TMPDIR` that cannot hold pipes or folders is
//!   named where that fails.
//! - A container that cannot be killed when its run ends (its engine is away, and we are not root or in a container) no
//!   longer sees an end in the middle of what it reads: a guard holds its inputs, tries on, and is named in a warning.
//! - `gantline prune --forget ENGINE` forgets the containers of an engine that is gone for good.
//! - Paths of `pathlib`, `Decimal` and `UUID` in a message are what `str()` makes of them. What cannot be in a message says how
//!   it can; a set in `container_args` was passed as if it were a list.
//! - A member of a job that has a value of the wrong type, such as a string for `volumes` or for an end of a `Connect`, is
//!   answered with a line to copy. An id that is nearly one of Girder's is warned of.
//! - A file of 16 to 256 MiB that comes a long way (20 ms or more there and back) is fetched over four connections from its
//!   start, in place of after half a second and more.
//! - A run whose reader has left (`gantline run … | head -1`) waits for an engine that needs long to stop its container.
//! - `gantline run --image` refuses what looks like an option of its own and is none; `--` makes it the program's.
//! - "waiting for the first reader of in" is said for as long as it is so, however little has come; an event tells of
//!   the reader ([`TransferOpened`](crate::event::Event::TransferOpened)). A file that a pipe has held has no rate in the
//!   summary.
//! - Lines of progress fit a terminal on which nothing can be drawn.
//! - What is wrong is told where it was said: `--girder-url`, `--girder-token`, `GIRDER_API_URL`, `GIRDER_TOKEN` are named, a
//!   body that is not base64 is called so, and a job and a message are not taken for each other. `--in` and `--out` refuse
//!   addresses that are not http or https, and `~`. `auto_remove` and `remove_container` that contradict each other are
//!   refused in a document. `--print-job` prints `--verify` and `--girder-url` too, and `init` says what it did not write.
//! - A time on the command line with a unit (`--timeout 5m`) is answered with what it is in seconds.
//! - A file that comes over several connections is held against the sum in its record from its first byte on, also with
//!   `"verify": "unless-spliced"`; what answers say of its version has to agree; and where nothing is known, a warning says
//!   so. One that changed between two requests was mixed without a word.
//! - Results of a program that ended well stay, with the command that uploads them, also when their run fails for another
//!   reason: output that lacks something, or a `--timeout` that is over in the middle of an upload. They were deleted.
//! - A file of which Girder's last answer was lost is found there, in place of a failed run or a second file.
//! - The report of an earlier run goes also when this one has a wrong option or a wrong `GANTLINE_LOG`.
//! - A report that nobody takes (`--report -` into a pipe that is full) ends half a second after a signal.
//! - SHA-512 takes three quarters of the time on x86-64 processors with AVX2.
//! - A single `Connect` can have standard output or standard error go past the engine: `"fast": true` in its input.
//! - A run on a busy machine whose container starts slowly, or is silent and prints at its end, no longer fails with
//!   "some of what the container wrote may be missing" though nothing is: the engine is asked whether it had waited.
//! - A container that Docker was still making, when its run had been killed and a prune came or the run was cancelled, is
//!   removed; Docker listed it, did not find it by its id a moment later, and kept it.
//! - A container that was not started although that was answered, and one that is gone, end the run after
//!   `DOCKER_CLIENT_TIMEOUT`; it waited for their exit until a signal.
//! - A small file costs less: fewer system calls, and half as many pieces of memory.
//! - A small file whose upload's answer was lost or cut off is not sent twice to a Girder that tells no sums, which is how
//!   Girder is by itself: its bytes are compared.
//! - A result that somebody writes to while it is uploaded fails its hook, and what Girder got of it is removed: pages that
//!   were on their way may have been of either content. A file that has taken its place is not deleted by `delete_file`.
//! - A `HostFileToStream` of a FIFO that nobody writes is an error that names it; the run hung, and no signal ended it.
//!   A page of a proxy in front of the engine, with 200, is no longer taken for a start, a stop or a removal.
//! - A small file costs four system calls less, and its listing is parsed once.
//! - The default temporary volume is mounted only where something names it: `-v $PWD:/mnt:ro` works, and nothing is made in
//!   a folder that is mounted at `/mnt`. Where there are temporary volumes, the one is refused by name and the other warned of.
//! - A `TMPDIR` that cannot be written to is named before anything is made. A depot of a file says which folder has it.
//!   Two temporary volumes of one name, and an input that the container has not opened, are warnings. What is wrong with
//!   a string in `volumes` is said in half as many words.
//! - `gantline run --image` takes `--rm`, says when `-v NAME:…` is the engine's volume and a folder of this name is here,
//!   and names an option of docker's that was taken for the program. A worker looks at `TMPDIR` when it begins, and says
//!   when no broker is named.
//! - A container whose program is not there, or may not be executed, is told so before the words of the engine.
//! - `gantline help TOPIC` breaks its lines between words where the terminal is narrower, and shows a wide table row by row.
//!   Bars fit a window that becomes narrower while the run goes on. Pages for man keep the lines of their examples, and
//!   shells complete the topics of help.
//! - What is typed out of docker's or Celery's habit (`gantline run -it`, `gantline ps`, `gantline worker -l info`) is
//!   answered with what there is in its place. `--in x=-` is refused, `{x}` without an `--in x=…` is warned of, a pipe in no
//!   Connect is warned of with what to do, and what is no JSON is told with what JSON has there.
//! - `gantline check` warns of files that are to be streamed and are not there, of folders for files of the job that are not
//!   there, and of an `entrypoint` with spaces in one string.
//! - A worker tells Girder of a job's end at once; it waited up to half a second after the last update.
//! - With `--acks-late`, a worker that dies when Girder has heard of a job's end, and nobody else has, costs no result and no
//!   next step of a chain: whoever gets the message again tells the result and publishes what follows.
//! - A worker on RabbitMQ needs 7 MiB of memory less while it has nothing to do.
//! - The worker's image needs no folder but `/srv/gantline`, which may be empty. The manual says what waits in the old
//!   worker while it ends.
//! - `eta` and `expires` may be a day (`2026-12-31`), as Celery takes them.
//! - A worker that ends with `--acks-late` says in the log of the job that it has given it back, and the next one runs it at
//!   once. One that did not hear Girder's answer as it began a job looks whether Girder has heard it, and no longer
//!   takes another worker's job for its own. A job that Girder does not know of runs again at once as well; on RabbitMQ only
//!   if its queue is empty.
//! - A message that comes again: the silence of other workers counts only while our own answer comes through, so that a
//!   broker that stands still runs no job twice; another worker of the same name is heard as well; and whose message has
//!   become the broker's again does not run it.
//! - Names of workers and queues with spaces, control characters or more than 200 bytes are refused at the start.
//! - A worker that comes up runs no job that the others know to be revoked: a message without a job in Girder waits a second
//!   for their answers, as Celery's workers do.
//! - A worker that is killed as it gives back what others held does not keep all others from it for five minutes.
//! - Workers that start at the same moment on one machine each remove what they left themselves.
//! - Events of tasks wait for a broker that is away, as results do.
//! - On Redis a worker whose clock is wrong does not give away what others hold, nor is what it holds given away. `eta` and
//!   `countdown` are waited for by the clock as it is, also after it was set or the machine slept.
//! - The file of `--statedb` is written beside everything else: a slow disk holds no answer to remote control up.
//! - On Redis no command of remote control is dropped while the worker is busy: 10,000 revokes in a row are 10,000 known
//!   ones. A broker that takes nothing from the worker for a while (RabbitMQ without memory) does not keep it from hearing
//!   a revoke.
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
//! - A registry's refusal that has our login in it is told without the login.
//! - A terminal that was stopped, or whoever reads standard error and does not, holds up neither a run nor a signal; the
//!   bars of a pull are twelve at once, however many layers a registry sends.
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
//! - A large folder is listed in pages of up to 400; a depot of 100,000 files looks through its folder once a listing. A run
//!   that has no descriptor left writes its report all the same.
//! - Many small files of a folder or an item come in one zip of Girder's, where it has one: in two fifths of the time. In the
//!   report their `carrier` is `zip`, and what Girder does not tell then is `null` in `file_id`, with `item_id` beside it
//!   ([when](crate::manual::performance)).
//! - `gantline bench` measures files as well: many small ones down and up, one that is held against its sum, and one up.
//!   `--files` says how many small ones there are.
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
