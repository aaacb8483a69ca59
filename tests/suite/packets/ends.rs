//! The two ends of every packet: servers that say who they are, clients that tell what they saw. Plain sockets.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

/// How long nothing means "no answer": time for a second SYN.
const PATIENCE: Duration = Duration::from_millis(2500);

/// What a client saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Seen {
    /// The service that was asked, from the address that was asked.
    Ok,
    /// Nothing in [`PATIENCE`].
    Nothing,
    /// A reset.
    Refused,
    /// An answer from another address, which a client takes for a stranger's.
    From(IpAddr),
    /// What an echo service saw.
    As(IpAddr),
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Nothing => f.write_str("no answer"),
            Self::Refused => f.write_str("refused"),
            Self::From(address) => write!(f, "answered from {address}"),
            Self::As(address) => write!(f, "seen as {address}"),
        }
    }
}

/// A TCP service that tells everybody `name` and the caller's address. It stays as long as the process.
pub(super) fn serve_tcp(address: Ipv4Addr, port: u16, name: &'static str) {
    let listener = TcpListener::bind((address, port)).unwrap();
    thread::spawn(move || {
        while let Ok((mut stream, caller)) = listener.accept() {
            let _ = write!(stream, "{name} {}", caller.ip());
        }
    });
}

/// A UDP service that answers as one that knows nothing of several addresses does.
pub(super) fn serve_udp(port: u16) {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).unwrap();
    thread::spawn(move || {
        let mut buffer = [0; 64];
        while let Ok((size, caller)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..size], caller);
        }
    });
}

fn read_tcp(address: Ipv4Addr, port: u16) -> Result<String, Seen> {
    let silent = |error: &std::io::Error| match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Seen::Nothing,
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Seen::Refused,
        _ => panic!("{address}:{port}: {error}"),
    };
    let mut stream = TcpStream::connect_timeout(&SocketAddrV4::new(address, port).into(), PATIENCE)
        .map_err(|e| silent(&e))?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).map_err(|e| silent(&e))?;
    Ok(text)
}

/// Asks a TCP service, which must be `name` and have seen `caller`.
pub(super) fn ask_tcp(address: Ipv4Addr, port: u16, name: &str, caller: Ipv4Addr) -> Seen {
    match read_tcp(address, port) {
        Ok(text) => {
            assert_eq!(
                text,
                format!("{name} {caller}"),
                "{address}:{port} is another service or hides its caller"
            );
            Seen::Ok
        }
        Err(seen) => seen,
    }
}

/// Asks a UDP service by a socket that takes answers from anywhere.
pub(super) fn ask_udp(address: Ipv4Addr, port: u16) -> Seen {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE / 2)).unwrap();
    let mut buffer = [0; 64];
    for _ in 0..2 {
        socket.send_to(b"ask", (address, port)).unwrap();
        match socket.recv_from(&mut buffer) {
            Ok((size, from)) => {
                assert_eq!(&buffer[..size], b"ask");
                let right = from == SocketAddr::from((address, port));
                return if right { Seen::Ok } else { Seen::From(from.ip()) };
            }
            Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {}
            Err(error) => panic!("{address}:{port}: {error}"),
        }
    }
    Seen::Nothing
}

/// Asks an echo service by which address this end is seen.
pub(super) fn seen_as(address: Ipv4Addr, port: u16) -> Seen {
    match read_tcp(address, port) {
        Ok(text) => Seen::As(text.rsplit(' ').next().unwrap().parse().unwrap()),
        Err(seen) => seen,
    }
}
