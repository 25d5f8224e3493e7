//! What `std` gets from `wasi:sockets`.

use crate::answer::{Reply, bytes, lines, refuse, text};
use std::io::{Error as IoError, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use wstd::http::StatusCode;
use wstd::io::{AsyncRead, AsyncWrite};

/// Connects, sends a text and reads what comes back until the other side has finished. With `half`, the other
/// side is told that no more comes.
pub fn tcp(to: &str, send: &str, half: bool) -> Reply {
    let exchange = || {
        let mut stream = TcpStream::connect(to)?;
        stream.write_all(send.as_bytes())?;
        if half {
            stream.shutdown(Shutdown::Write)?;
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    answer(exchange())
}

/// Sends a line and the body while it reads what comes back, and answers that.
pub async fn stream(to: &str, line: &str, body: Vec<u8>) -> Reply {
    let exchange = async {
        let stream = wstd::net::TcpStream::connect(to).await?;
        let (mut reading, mut writing) = stream.split();
        let send = async {
            writing.write_all(format!("{line}\n").as_bytes()).await?;
            writing.write_all(&body).await?;
            writing.flush().await?;
            // Dropped, it says that no more comes.
            drop(writing);
            Ok::<_, IoError>(())
        };
        let receive = async {
            let mut answer = Vec::new();
            reading.read_to_end(&mut answer).await?;
            Ok::<_, IoError>(answer)
        };
        Ok(futures_lite::future::try_zip(send, receive).await?.1)
    };
    match exchange.await {
        Ok(answer) => bytes(answer),
        Err(error) => refused(&error),
    }
}

/// Sends a datagram and waits for one.
pub fn udp(to: &str, send: &str) -> Reply {
    let exchange = || {
        let socket = UdpSocket::bind(if to.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" })?;
        socket.send_to(send.as_bytes(), to)?;
        let mut buffer = [0; 2048];
        let (count, _) = socket.recv_from(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..count]).into_owned())
    };
    answer(exchange())
}

/// Looks a name up.
pub fn resolve(name: &str) -> Reply {
    match (name, 0).to_socket_addrs() {
        Ok(found) => lines(found.map(|address| address.ip().to_string())),
        Err(error) => refused(&error),
    }
}

pub fn listen(at: &str) -> Reply {
    answer(TcpListener::bind(at).and_then(|listener| Ok(listener.local_addr()?.to_string())))
}

pub fn bind_udp(at: &str) -> Reply {
    answer(UdpSocket::bind(at).and_then(|socket| Ok(socket.local_addr()?.to_string())))
}

fn answer(result: Result<String, IoError>) -> Reply {
    match result {
        Ok(answer) => text(answer),
        Err(error) => refused(&error),
    }
}

fn refused(error: &IoError) -> Reply {
    let status = match error.kind() {
        ErrorKind::PermissionDenied => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_GATEWAY,
    };
    refuse(status, error.to_string())
}
