//! What a worker answers over HTTP: whether it lives, whether it takes jobs, what it has counted.
//!
//! | path | answer |
//! |---|---|
//! | `GET /healthz` | 200 while the process serves |
//! | `GET /readyz` | 200 while broker and engine are there and new jobs are taken; else 503, with what is missing |
//! | `GET /metrics` | the counters, as OpenMetrics' text |
//! | `POST /drain` | 202: no new job is taken from now on; from this machine only |

use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::metrics::{self, Metrics};

/// What the answers are made of.
#[derive(Debug, Clone)]
pub(super) struct Health {
    pub(super) broker_is_up: Rc<Cell<bool>>,
    pub(super) engine_is_up: Rc<Cell<bool>>,
    pub(super) is_draining: Rc<Cell<bool>>,
    /// Told when somebody asks to drain.
    pub(super) drain: Rc<Notify>,
    pub(super) metrics: Metrics,
}

impl Health {
    /// Nothing is there yet.
    pub(super) fn new(metrics: Metrics) -> Self {
        Self {
            broker_is_up: Rc::default(),
            engine_is_up: Rc::default(),
            is_draining: Rc::default(),
            drain: Rc::default(),
            metrics,
        }
    }

    /// What keeps the worker from taking jobs.
    fn missing(&self) -> Vec<&'static str> {
        let all = [
            (self.broker_is_up.get(), "the broker does not answer"),
            (self.engine_is_up.get(), "the engine does not answer"),
            (!self.is_draining.get(), "no new jobs are taken"),
        ];
        all.into_iter().filter(|(is_well, _)| !is_well).map(|(_, what)| what).collect()
    }
}

/// Serves until it is dropped. Must run within a [`tokio::task::LocalSet`].
pub(super) async fn serve(listener: TcpListener, health: Health) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(AFTER_A_FAILURE).await;
                continue;
            }
        };
        let health = health.clone();
        tokio::task::spawn_local(async move {
            let service = service_fn(|request| {
                let answer = answer(&request, peer, &health);
                async move { Ok::<_, Infallible>(answer) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service);
            if let Err(error) = served.await {
                tracing::debug!(%peer, %error, "an HTTP connection failed");
            }
        });
    }
}

fn answer(request: &Request<Incoming>, peer: SocketAddr, health: &Health) -> Response<Full<Bytes>> {
    let (method, path) = (request.method(), request.uri().path());
    let wanted = if path == "/drain" { Method::POST } else { Method::GET };
    match path {
        "/healthz" | "/readyz" | "/metrics" | "/drain" if *method != wanted => {
            let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, format!("use {wanted}\n"));
            if let Ok(wanted) = wanted.as_str().parse() {
                answer.headers_mut().insert(ALLOW, wanted);
            }
            answer
        }
        "/healthz" => text(StatusCode::OK, "alive\n".to_owned()),
        "/readyz" => match health.missing() {
            missing if missing.is_empty() => text(StatusCode::OK, "ready\n".to_owned()),
            missing => text(StatusCode::SERVICE_UNAVAILABLE, missing.join("\n") + "\n"),
        },
        "/metrics" => {
            let mut answer = text(StatusCode::OK, health.metrics.text());
            if let Ok(kind) = metrics::CONTENT_TYPE.parse() {
                answer.headers_mut().insert(CONTENT_TYPE, kind);
            }
            answer
        }
        "/drain" if !peer.ip().to_canonical().is_loopback() => {
            text(StatusCode::FORBIDDEN, "ask from this machine\n".to_owned())
        }
        "/drain" => {
            health.drain.notify_one();
            text(StatusCode::ACCEPTED, "no new job is taken\n".to_owned())
        }
        _ => text(
            StatusCode::NOT_FOUND,
            "there are /healthz, /readyz, /metrics and POST /drain\n".to_owned(),
        ),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    if let Ok(kind) = "text/plain; charset=utf-8".parse() {
        answer.headers_mut().insert(CONTENT_TYPE, kind);
    }
    answer
}

/// How long a client may take to send a request's head.
const HEAD: Duration = Duration::from_secs(10);

/// After `accept` failed: descriptors may be short.
const AFTER_A_FAILURE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    /// What a request is answered with, its head and its body.
    async fn ask(server: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let request = format!("{request} HTTP/1.1\r\nHost: worker\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[test]
    fn readiness_says_what_is_missing_and_drain_is_told() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let tasks = tokio::task::LocalSet::new();
        tasks.block_on(&runtime, async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let server = listener.local_addr().unwrap();
            let health = Health::new(Metrics::new());
            tokio::task::spawn_local(serve(listener, health.clone()));

            assert!(ask(server, "GET /healthz").await.starts_with("HTTP/1.1 200 "));
            let unready = ask(server, "GET /readyz").await;
            assert!(unready.starts_with("HTTP/1.1 503 "), "{unready}");
            assert!(unready.contains("the broker does not answer"), "{unready}");
            health.broker_is_up.set(true);
            health.engine_is_up.set(true);
            assert!(ask(server, "GET /readyz").await.starts_with("HTTP/1.1 200 "));
            health.is_draining.set(true);
            assert!(ask(server, "GET /readyz").await.contains("no new jobs are taken"));

            assert!(ask(server, "GET /metrics").await.contains("gantline_broker_up 0"));
            assert!(ask(server, "GET /drain").await.starts_with("HTTP/1.1 405 "));
            assert!(ask(server, "POST /drain").await.starts_with("HTTP/1.1 202 "));
            health.drain.notified().await;
            assert!(ask(server, "GET /else").await.starts_with("HTTP/1.1 404 "));
        });
    }
}
