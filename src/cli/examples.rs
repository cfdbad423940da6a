//! What stands below the options in each command's help.

use crate::manual::CHAPTERS;

pub(super) const ENVIRONMENT: &str = "\
Environment:
  DOCKER_HOST             the engine: unix:///path or tcp://host:port
  DOCKER_CONTEXT          a context of Docker's, where there is no DOCKER_HOST
  DOCKER_API_VERSION      speak exactly this version of the Engine API
  DOCKER_CLIENT_TIMEOUT   seconds that a call to the engine may take (60)
  DOCKER_CONFIG           the folder of config.json, for logins at registries
  GIRDER_API_URL          the Girder server of jobs that name none
  GIRDER_TOKEN            the token of jobs that have none
  GIRDER_API_KEY          an API key, where there is no GIRDER_TOKEN
  GIRDER_WORKER_DOCKER_RUN_OPTIONS
                          docker-py's keywords for every container, as a JSON
                          object; what a job says itself goes first
  SSL_CERT_FILE           certificate authorities, in place of the system's
  TMPDIR                  where temporary volumes are made
  GANTLINE_RECORD_DIR     where runs write down what they make, for prune
                          (/var/tmp)
  GANTLINE_LOG            what is logged on stderr: error, warn, info, debug,
                          trace";

pub(super) const RUN_USAGE: &str = "\
gantline run [OPTIONS] JOB.json
       gantline run [OPTIONS] --message FILE
       gantline run [OPTIONS] --image IMAGE [ARG]...";

pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  gantline run job.json
  gantline run --image busybox echo hello
  gantline run --image busybox --in x=5f8f7c2a1b2c3d4e5f6a7b8c sha256sum {x}
  gantline run --image busybox --in x=a.csv --out y=b.csv cp {x} {y}
  gantline run --report report.json --progress plain job.json
  gantline run --message message.json
  echo '{\"image\": \"busybox\", \"container_args\": [\"date\"]}' | gantline run -";

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  gantline check job.json
  gantline check --message message.json";

pub(super) const INIT_EXAMPLES: &str = "\
Examples:
  gantline init
  gantline check job.json
  gantline run job.json";

pub(super) const VERSION_EXAMPLES: &str = "\
Examples:
  gantline version
  gantline version --json";

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  gantline completions bash > /etc/bash_completion.d/gantline
  gantline completions zsh > \"${fpath[1]}/_gantline\"
  gantline completions fish > ~/.config/fish/completions/gantline.fish";

pub(super) const MAN_EXAMPLES: &str = "\
Example:
  gantline man /usr/local/share/man/man1";

pub(super) const SCHEMA_EXAMPLES: &str = "\
Example:
  gantline schema > job.schema.json";

pub(super) const DEPOT_EXAMPLES: &str = "\
Example:
  gantline depot ./data --listen 127.0.0.1:8080
  GIRDER_API_URL=http://127.0.0.1:8080/api/v1 gantline run job.json";

pub(super) const UPLOAD_EXAMPLES: &str = "\
Examples:
  gantline upload result.csv --item 5f3c9e0a1b2c3d4e5f6a7b8c
  gantline upload results/ --folder 5f3c9e0a1b2c3d4e5f6a7b8d";

pub(super) const PRUNE_EXAMPLES: &str = "\
Examples:
  gantline prune --dry-run
  sudo gantline prune --all
  gantline prune --forget tcp://10.0.0.7:2375";

pub(super) const BENCH_EXAMPLES: &str = "\
Cases:
  http-fifo      plain HTTP, from `gantline depot`, into a FIFO that is read
  https-fifo     HTTPS into a FIFO
  chunked-fifo   HTTP with a chunked body into a FIFO
  file-fifo      a file into a FIFO
  fifo-post      a FIFO that is written into the chunked body of a POST
  fifo-file      a FIFO that is written into a file
  http-file      plain HTTP into a file
  stdout-file    a container's stdout, in the engine's frames, into a file
  many-down      a folder of many small files into a volume, until the
                 container is made; only with --image
  many-up        many small files, by `gantline upload`
  checked-down   a file with a sum in its record into a volume, as many-down
  upload         a file, by `gantline upload`

Columns: GiB a second; seconds of CPU time for each GiB, user and system; the
most memory held; how the bytes travelled. Of many small files: files a
second; milliseconds of CPU time for each, user and system. With --against a
second line: the ratio of the medians, ours by the other's, and in brackets
the least, the quartiles and the most of the pairs.

Examples:
  gantline bench
  gantline bench --case http-fifo --size 4GiB --runs 5
  gantline bench --parallel 64 --size 64MiB --json data.json --plot data.svg
  gantline bench --against ./gantline-before --case http-fifo --json data.json
  gantline bench --image busybox --case http-fifo --case fifo-file";

pub(super) const BENCH_PEER_EXAMPLES: &str = "\
Example:
  gantline bench-peer serve-chunked 1048576";

#[cfg(feature = "worker")]
pub(super) const WORKER_EXAMPLES: &str = "\
Environment, beside GANTLINE_WORKER_…, one for each option:
  CELERY_BROKER_URL              the broker
  GIRDER_WORKER_BROKER           the same, without CELERY_BROKER_URL
  CELERY_RESULT_BACKEND          where results go
  GIRDER_WORKER_BACKEND          the same, without CELERY_RESULT_BACKEND
  GIRDER_WORKER_API_URL          Girder's API as this machine reaches it, in
                                 place of the address in messages
  GIRDER_WORKER_LOGGING_LEVEL    debug, info, warning or error
  and what `gantline --help` lists

Examples:
  gantline worker
  gantline worker --check
  gantline worker --broker amqp://guest:guest@rabbitmq// --others-to python
  gantline worker --broker redis://redis/0 --backend redis://redis/0 -c 4";

/// The topics, as help shows them.
pub(super) fn topics() -> String {
    let mut text = "Topics:\n".to_owned();
    for (name, about, _) in CHAPTERS {
        text.push_str(&format!("  {name:<24} {about}\n"));
    }
    text + "\nExamples:\n  gantline help job\n  gantline help run"
}
