//! What lies between the HTTP client and a socket: TLS with whom [`Roots`](crate::http::Roots) trusts, and requests that
//! a proxy passes on.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport,
    TransportAdapter,
};

/// Puts TLS on a connection to an `https` server, if it has settings for it.
#[derive(Debug)]
pub(super) struct Tls(pub(super) Option<Arc<ClientConfig>>);

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, TlsTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else { return Ok(None) };
        let Some(config) = self.0.as_ref().filter(|_| details.needs_tls() && !transport.is_tls())
        else {
            return Ok(Some(Either::A(transport)));
        };
        let host = details.uri.host().ok_or(Error::HostNotFound)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.');
        let name = ServerName::try_from(host.to_owned());
        let name = name.map_err(|_| Error::Tls("the host is no name that a certificate has"))?;
        let mut connection = ClientConnection::new(Arc::clone(config), name)?;
        let mut socket = TransportAdapter::new(
            Box::new(transport) as Box<dyn Transport>,
            Arc::clone(&details.current_time),
        );
        socket.set_timeout(details.timeout);
        connection.complete_io(&mut socket)?;
        let (input, output) =
            (details.config.input_buffer_size(), details.config.output_buffer_size());
        let buffers = LazyBuffers::new(input, output);
        let stream = StreamOwned { conn: connection, sock: socket };
        Ok(Some(Either::B(TlsTransport { buffers, stream })))
    }
}

/// A connection with TLS.
pub(super) struct TlsTransport {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl Transport for TlsTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.get_mut().set_timeout(timeout);
        let output = self.buffers.output().get(..amount).unwrap_or_default();
        Ok(self.stream.write_all(output)?)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.get_mut().set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport").finish_non_exhaustive()
    }
}

/// What a proxy needs to pass a request on that is not in a tunnel: whose it is, and who we are.
#[derive(Clone)]
pub(super) struct PassedOn {
    /// `http://host:port`.
    pub(super) server: String,
    pub(super) authorization: Option<String>,
}

impl PassedOn {
    /// The beginning of a request, with the whole URL and our name for the proxy in it. What is none stays as it is.
    fn rewritten(&self, output: &[u8]) -> Vec<u8> {
        let line = output.windows(2).position(|two| two == b"\r\n");
        let method = output.iter().position(|byte| *byte == b' ');
        let (Some(line), Some(method)) =
            (line, method.filter(|at| output.get(at + 1) == Some(&b'/')))
        else {
            return output.to_vec();
        };
        let (target, (line, rest)) = (method + 1, output.split_at(line));
        let (method, path) = line.split_at(target);
        let header = self
            .authorization
            .iter()
            .map(|authorization| format!("\r\nProxy-Authorization: {authorization}").into_bytes());
        [method, self.server.as_bytes(), path]
            .concat()
            .into_iter()
            .chain(header.flatten())
            .chain(rest.iter().copied())
            .collect()
    }
}

/// Has requests passed on by a proxy, to which the connection leads.
pub(super) struct Passing(pub(super) Option<PassedOn>);

impl<In: Transport> Connector<In> for Passing {
    type Out = Either<In, PassingTransport<In>>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(|inner| match &self.0 {
            None => Either::A(inner),
            Some(passed_on) => {
                Either::B(PassingTransport { inner, passed_on: passed_on.clone(), is_first: true })
            }
        }))
    }
}

impl fmt::Debug for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passing").finish_non_exhaustive()
    }
}

/// A connection to a proxy.
pub(super) struct PassingTransport<In> {
    inner: In,
    passed_on: PassedOn,
    /// A request begins with what is sent next: nothing was sent yet, or an answer has come.
    is_first: bool,
}

impl<In: Transport> Transport for PassingTransport<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        if !std::mem::take(&mut self.is_first) {
            return self.inner.transmit_output(amount, timeout);
        }
        let output = self.inner.buffers().output();
        let rewritten = self.passed_on.rewritten(output.get(..amount).unwrap_or_default());
        let room = output.len().max(1);
        for piece in rewritten.chunks(room) {
            if let Some(place) = self.inner.buffers().output().get_mut(..piece.len()) {
                place.copy_from_slice(piece);
            }
            self.inner.transmit_output(piece.len(), timeout)?;
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.is_first = true;
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }
}

impl<In> fmt::Debug for PassingTransport<In> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PassingTransport").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_beginning_of_a_request_is_another_one() {
        let mut passed_on = PassedOn {
            server: "http://a:8080".to_owned(),
            authorization: Some("Basic eA==".to_owned()),
        };
        let request = b"PUT /api/v1/job?x=/ HTTP/1.1\r\nHost: a:8080\r\n\r\nbody\r\n";
        assert_eq!(
            passed_on.rewritten(request),
            b"PUT http://a:8080/api/v1/job?x=/ HTTP/1.1\r\nProxy-Authorization: Basic eA==\r\n\
              Host: a:8080\r\n\r\nbody\r\n"
        );
        passed_on.authorization = None;
        assert_eq!(
            passed_on.rewritten(b"GET / HTTP/1.1\r\n\r\n"),
            b"GET http://a:8080/ HTTP/1.1\r\n\r\n"
        );
        for none in [&b""[..], b"bytes", b"GET http://b/ HTTP/1.1\r\n\r\n"] {
            assert_eq!(passed_on.rewritten(none), none);
        }
    }
}
