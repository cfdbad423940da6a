//! Replacing girder-worker: a Girder installation changes its worker, and nothing else.
//!
//! `gantline worker` takes the messages that `docker_run.delay(…)` and Slicer CLI Web send over RabbitMQ or
//! Redis, as they are. Girder, its plugins and its pages stay as they are.
//!
//! # What to start
//!
//! Two workers take the place of one:
//!
//! | worker | queue | what it runs |
//! |---|---|---|
//! | `gantline worker --others-to python` | `celery` | `docker_run`, and Slicer CLI Web's jobs |
//! | `celery -A girder_worker.app worker -Q python,local` | `python`, `local` | all other tasks: images that are ingested, large images that are converted, Girder's own |
//!
//! The broker and the place for results are named as before: `CELERY_BROKER_URL` and `CELERY_RESULT_BACKEND`, or
//! `GIRDER_WORKER_BROKER` and `GIRDER_WORKER_BACKEND`. `GIRDER_WORKER_API_URL`,
//! `GIRDER_WORKER_DOCKER_RUN_OPTIONS`, `DOCKER_HOST`, `DOCKER_CLIENT_TIMEOUT` and `TMPDIR` mean what they meant.
//!
//! ```text
//! gantline worker --check     # does it reach broker and engine, and what would it do?
//! ```
//!
//! The queue `local` is Girder's own: Gantline never takes from it. Without `--others-to` a message of another task
//! goes back to the tail of its queue, for a Python worker that also listens there; the queue needs no second name
//! then, and each pass of such a message costs a little.
//!
//! ## The Digital Slide Archive
//!
//! Its `docker-compose.yml` has a service `worker`. In its place come the two services of `deploy/compose.yml`:
//! `gantline` for the jobs, and `python` for the rest. Make the image as `deploy/Containerfile` says, make the folder
//! `/srv/gantline`, and start both. The services `girder`, `mongodb`, `memcached` and `rabbitmq` stay as they are.
//!
//! The container needs two things of its host: the engine's socket, and a folder for temporary files **that has the
//! same path inside and outside**, since the engine mounts what lies there into the jobs' containers.
//! `TMPDIR` names that folder. Give the container a `hostname` of its own: the node's name comes from it.
//!
//! ## Without containers
//!
//! `deploy/gantline-worker.service` is a unit for systemd. It tells systemd when it is ready, and that it lives. A stop
//! lets what runs end for ten minutes (`GANTLINE_WORKER_GRACE`). `/etc/gantline/worker.env` has the addresses:
//!
//! ```text
//! CELERY_BROKER_URL=amqp://user:password@rabbitmq//
//! CELERY_RESULT_BACKEND=rpc://
//! GANTLINE_WORKER_OTHERS_TO=python
//! GANTLINE_WORKER_CONCURRENCY=4
//! ```
//!
//! # One machine, then many
//!
//! Any number of workers listen on one queue, beside Python's if you like. Each has a `--hostname` of its own; RabbitMQ
//! refuses a second one of the same name. A worker holds no message without a free slot, so the next job starts
//! wherever a slot is free.
//!
//! With `--acks-late` a job whose worker dies runs again on another one. On RabbitMQ raise `consumer_timeout` above
//! the longest job then (it is 30 minutes unless it is set). On Redis the message of a running job is renewed,
//! however long it runs.
//!
//! # What to watch
//!
//! `--http 127.0.0.1:9100` serves `/healthz`, `/readyz` and `/metrics`:
//!
//! | counter | watch it for |
//! |---|---|
//! | `gantline_jobs_total{task,outcome}` | failures |
//! | `gantline_jobs_running`, `gantline_slots` | machines that are full |
//! | `gantline_queue_seconds` | jobs that wait for a slot: from made in Girder to taken |
//! | `gantline_job_seconds`, `gantline_phase_seconds{phase}` | where the time goes |
//! | `gantline_bytes_total{direction}` | what is moved |
//! | `gantline_passed_on_total{task}` | tasks that nobody of Python's takes, if it grows and grows |
//! | `gantline_broker_up` | a broker that is away |
//! | `gantline_girder_retries_total` | a Girder that is slow or away |
//!
//! `celery inspect`, `celery events`, Flower and Girder's own page of workers see the worker as any other.
//! `POST /drain`, from the same machine, ends it when its jobs are over; so does SIGTERM. A second SIGTERM stops what runs.
//!
//! With `--statedb FILE` the worker remembers what runs: after a kill or a power cut its jobs become errors at its next
//! start, in place of running for ever.
//!
//! # How to go back
//!
//! Stop Gantline, and start the old worker on the queue `celery` again. Nothing else has changed: messages that wait
//! are untouched, and what went to the queue `python` is taken by a worker with `-Q celery,python,local`.
//! Late acknowledgements give messages back when a worker ends.
//!
//! # What is different
//!
//! | event | girder-worker | Gantline |
//! |---|---|---|
//! | cancelled while no worker is up, or delivered twice | the container runs all the same | no container is started |
//! | cancelled while it runs | SUCCESS, and the chain goes on | REVOKED, `terminated`; nothing follows |
//! | expired | the job stays inactive for ever | canceled, with a line in its log; REVOKED, `expired` |
//! | a time limit | the container goes on, the job stays running | the container is stopped or killed, the job is an error |
//! | success | the result comes before the job's last status | the whole log first, then the status, then the result |
//! | an exit code | `Non-zero exit code from docker container (5).` | the same, with what the code means and the last lines of stderr in the log |
//! | Girder is away | the job fails, or stays running | it is waited for, `--girder-patience` seconds; the container goes on meanwhile |
//! | the token has expired | – | FAILURE before any container is started |
//! | the broker is away | the job fails, or stays running | the job goes on; its result waits |
//! | the job is deleted while it runs | – | it runs on, and nothing more is sent |
//! | the worker is stopped | what runs is lost | it ends; or it is stopped and says so, or runs again with `--acks-late` |
//! | the next step of a chain | has no job in Girder | has one, with its parent |
//! | another task on its queue | thrown away: NotRegistered | left to others |
//! | a body in pickle | runs it | refused with an error |
//! | a log of many MiB | Girder throws its beginning away | the beginning and the end are kept, and what is left out is counted |
//! | arguments in `celery inspect` | no answer where one is a transform | as their sender shows them, without tokens |
//!
//! Not there: chords and groups' joined results (such messages are left to Python), `rate_limit`, `autoscale`, gossip,
//! sentinel and cluster of Redis, Apptainer.
