//! Three small servers, for what the depot does not do: chunked bodies out and in, and TLS. Two answer
//! every GET with the same bytes, one takes POSTs; they know nothing else of HTTP.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use nix::sys::socket::{MsgFlags, recv};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::error::PeerError;
use super::message::{Message, say};
use super::peer::{each_piece, noise};
use crate::sys::socket::send_unpaced;

/// As large as the buffers of common servers.
const CHUNK: usize = 64 << 10;

/// Serves in chunks, until the process is ended.
pub(super) fn chunked(bytes: u64, out: &mut dyn Write) -> Result<(), PeerError> {
    let mut whole = format!("{CHUNK:x}\r\n").into_bytes();
    whole.extend(noise(CHUNK));
    whole.extend(b"\r\n");
    // Sixteen at once, so that the server's system calls are not what is measured.
    let (several, block) = (16 * CHUNK, whole.repeat(16));
    serve(out, move |socket| {
        take_head(&mut BufReader::new(socket))?;
        let mut socket = socket;
        socket.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
        each_piece(bytes, several, |length| {
            if length == several {
                return socket.write_all(&block);
            }
            write!(socket, "{length:x}\r\n")?;
            let body = noise(length);
            socket.write_all(&body)?;
            socket.write_all(b"\r\n")
        })?;
        socket.write_all(b"0\r\n\r\n")
    })
}

/// Takes bodies in chunks, until the process is ended. One that has not so many bytes is refused.
pub(super) fn posts(bytes: u64, out: &mut dyn Write) -> Result<(), PeerError> {
    serve(out, move |socket| {
        while !line(socket)?.is_empty() {}
        let mut taken = 0;
        loop {
            let chunk = u64::from_str_radix(&line(socket)?, 16).map_err(io::Error::other)?;
            taken += chunk;
            // What it announces, and the end of its line.
            discard(socket, chunk + 2)?;
            if chunk == 0 {
                break;
            }
        }
        let mut socket = socket;
        if taken == bytes {
            return socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
        let said = format!("{taken} bytes have come, {bytes} were sent");
        write!(socket, "HTTP/1.1 500 Wrong\r\nContent-Length: {}\r\n\r\n{said}", said.len())
    })
}

/// A line without its end, and not a byte of what follows it.
fn line(mut socket: &TcpStream) -> io::Result<String> {
    let (mut line, mut ahead) = (Vec::new(), [0; 64]);
    while line.len() < HEAD_LINE {
        let got = socket.peek(&mut ahead)?;
        let ahead = ahead.get_mut(..got).unwrap_or_default();
        if ahead.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let end = ahead.iter().position(|byte| *byte == b'\n');
        let taken = ahead.get_mut(..end.map_or(got, |end| end + 1)).unwrap_or_default();
        socket.read_exact(taken)?;
        line.extend_from_slice(taken);
        if end.is_some() {
            return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// Far more than the lines of our own client's requests have.
const HEAD_LINE: usize = 8 << 10;

/// Throws so many bytes away. TCP copies none of them (`MSG_TRUNC`, see tcp(7)).
pub(super) fn discard(socket: &TcpStream, mut bytes: u64) -> io::Result<()> {
    let mut block = vec![0; 1 << 20];
    while bytes > 0 {
        let most = usize::try_from(bytes).unwrap_or(usize::MAX).min(block.len());
        let into = block.get_mut(..most).unwrap_or_default();
        match recv(socket.as_raw_fd(), into, MsgFlags::MSG_TRUNC)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            got => bytes = bytes.saturating_sub(u64::try_from(got).unwrap_or(u64::MAX)),
        }
    }
    Ok(())
}

/// Serves over TLS, until the process is ended.
pub(super) fn tls(authority: &Path, bytes: u64, out: &mut dyn Write) -> Result<(), PeerError> {
    let config = Arc::new(config(authority)?);
    let block = noise(256 << 10);
    serve(out, move |socket| {
        let connection = ServerConnection::new(Arc::clone(&config)).map_err(io::Error::other)?;
        let mut socket = BufReader::new(StreamOwned::new(connection, socket.try_clone()?));
        take_head(&mut socket)?;
        let socket = socket.get_mut();
        write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n")?;
        each_piece(bytes, block.len(), |length| {
            socket.write_all(block.get(..length).unwrap_or_default())
        })?;
        socket.conn.send_close_notify();
        socket.flush()
    })
}

/// A certificate for 127.0.0.1, of an authority that is made here and that nobody else trusts.
fn config(authority: &Path) -> Result<ServerConfig, PeerError> {
    let key = || KeyPair::generate().map_err(PeerError::Certificate);
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "gantline bench");
    let issuer = CertifiedIssuer::self_signed(params, key()?).map_err(PeerError::Certificate)?;
    let own = key()?;
    let certificate = CertificateParams::new([Ipv4Addr::LOCALHOST.to_string()])
        .and_then(|params| params.signed_by(&own, &issuer))
        .map_err(PeerError::Certificate)?;
    fs::write(authority, issuer.pem())
        .map_err(|error| PeerError::Open(authority.to_owned(), error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            let key = PrivateKeyDer::Pkcs8(own.serialize_der().into());
            builder.with_no_client_auth().with_single_cert(vec![certificate.into()], key)
        })
        .map_err(PeerError::Tls)
}

/// Answers each connection in a thread of its own, until the process is ended.
pub(super) fn serve(
    out: &mut dyn Write,
    answer: impl Fn(&TcpStream) -> io::Result<()> + Send + Sync + 'static,
) -> Result<(), PeerError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listener = listener.map_err(|error| PeerError::System("listen", error))?;
    // Without it they are slower.
    let _ = send_unpaced(&listener);
    let address = listener.local_addr();
    let address = address.map_err(|error| PeerError::System("listen", error))?;
    say(out, &Message::Listening(address))?;
    let answer = Arc::new(answer);
    loop {
        let (socket, _) =
            listener.accept().map_err(|error| PeerError::System("accept a connection", error))?;
        let answer = Arc::clone(&answer);
        // A client that goes away early is noticed by who counts the bytes.
        thread::spawn(move || answer(&socket));
    }
}

/// More than our own client's requests ever have.
pub(super) const HEAD_BYTES: u64 = 64 << 10;

fn take_head(from: &mut impl BufRead) -> io::Result<()> {
    let mut from = from.take(HEAD_BYTES);
    let mut line = String::new();
    loop {
        line.clear();
        match from.read_line(&mut line)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ if line == "\r\n" => return Ok(()),
            _ => {}
        }
    }
}
