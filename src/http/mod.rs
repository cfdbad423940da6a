//! The data plane's HTTP/1.1: the GET of a body, and the POST of one, over a bare, non-blocking
//! socket.
//!
//! It exists because a body is to go from the socket into a pipe, or from a pipe into the socket,
//! without passing through this process, which no HTTP library allows: the head of a response is
//! looked at with `MSG_PEEK` and then taken byte for byte, so that every byte of the body is still
//! in the kernel when [`Body::raw`] hands the descriptor out. TLS and chunked bodies cannot be
//! spliced; they are read by [`Body::read`], decoded in the caller's buffer.
//!
//! A [`Client`] makes an [`Exchange`] of a [`Get`], and a [`Posting`] of a [`Post`]. Both are driven
//! by `advance`, from any event loop, with edge-triggered readiness: it goes as far as it can, then
//! says what it waits for. Host look-ups block, so they are given away ([`Lookup`]), to one
//! [`Resolver`] for all of a client's requests. At the end of
//! an exchange there is a [`Response`] with status 200 or 206, and a [`Body`]. A posting is ready
//! for chunks then; at its end it has the server's [`Answer`].
//!
//! What decides is pure, and what does is thin around it: `head` finds and parses a head,
//! `chunked` decodes chunks in place, `framing` says how a body ends, `range` and `redirect` hold
//! the rules of their names, `excerpt` makes a message of an error's body. `request` has the bytes
//! of a request, `dial` brings them to the server, `refusal` reads what an error says. `transport`
//! and `tls` touch the socket. Of TLS, rustls does the handshake; the records of a body are opened
//! in the caller's buffer, by `tls` itself, which says why.
//!
//! Many small bodies are fetched by threads that block, over a [`Pool`] of connections, each [`Lane`] as wide
//! as the server bears ([`Window`]). What lies in a file goes the other way over the same connections ([`Outgoing`]).
//!
//! `proxy` says by which way a URL is asked for, `tunnel` opens that through a proxy; `trust` says which certificates are
//! accepted.
//!
//! One request a connection (`Connection: close`), unless a GET asks to keep it ([`Kept`]). There
//! are no cookies, no compression and no retries: resuming belongs to the pump, which
//! knows what has been delivered.

mod addresses;
mod body;
pub(crate) mod chunked;
mod client;
mod dial;
mod error;
pub(crate) mod excerpt;
mod exchange;
mod framing;
mod get;
pub(crate) mod head;
mod kept;
mod lane_body;
mod lookup;
mod options;
mod pool;
mod post;
mod proxy;
pub(crate) mod range;
mod redirect;
mod refusal;
mod request;
mod resolver;
mod roots;
mod send;
mod shared;
mod sum;
pub(crate) mod tls;
mod transport;
mod trust;
mod tunnel;
mod validator;
mod window;

pub use body::{Body, Read};
pub use chunked::ChunkError;
pub use client::Client;
pub use error::HttpError;
pub use exchange::{Exchange, Progress, Response};
pub use get::Get;
pub use head::HeadError;
pub use kept::Kept;
pub use lane_body::LaneBody;
pub use lookup::Lookup;
pub use options::{ClientOptions, Limits};
pub use pool::{Lane, LaneError, Pool, Stopper};
pub use post::{Answer, Post, Posting, Wrote};
pub use proxy::Proxies;
pub(crate) use proxy::Proxy;
pub use range::RangeError;
pub use redirect::RedirectError;
pub use request::HeaderValue;
pub(crate) use request::place;
pub use resolver::Resolver;
pub(crate) use roots::Roots;
pub use send::{Answered, Outgoing, Payload};
pub(crate) use sum::Sha512;
pub use validator::Validator;
pub use window::Window;
