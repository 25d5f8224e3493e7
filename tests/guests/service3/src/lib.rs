//! A service of WASI 0.3 that does what the variable `SERVICE` says: `tests/guests/README.md` has the list.

use std::cell::Cell;
use std::net::SocketAddr;

use wasip3::clocks::monotonic_clock;
use wasip3::sockets::types::{
    ErrorCode, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress, TcpSocket, UdpSocket,
};
use wasip3::wit_bindgen::StreamResult;

thread_local! {
    static ACCEPTED: Cell<u32> = const { Cell::new(0) };
}

struct Service;

impl wasip3::exports::cli::run::Guest for Service {
    async fn run() -> Result<(), ()> {
        let what = std::env::var("SERVICE").unwrap_or_default();
        let (what, argument) = what.split_once(' ').unwrap_or((&what, "127.0.0.1:7000"));
        let ended = match what {
            "tcp" => tcp(argument).await,
            "udp" => udp(argument).await,
            _ => {
                monotonic_clock::wait_for(20_000_000).await;
                println!("connecting gave {:?}", connect(argument).await);
                Ok(())
            }
        };
        ended.map_err(|error| println!("it failed: {error:?}"))
    }
}

async fn tcp(at: &str) -> Result<(), ErrorCode> {
    let at: SocketAddr = at.parse().expect("an address");
    let socket = TcpSocket::create(family(at))?;
    socket.bind(address(at))?;
    let mut arrivals = socket.listen()?;
    println!("listening on {}", plain(socket.get_local_address()?));
    while let Some(connection) = arrivals.next().await {
        ACCEPTED.set(ACCEPTED.get() + 1);
        wasip3::spawn_local(serve(connection));
    }
    Ok(())
}

/// The first line says what is wanted.
async fn serve(connection: TcpSocket) {
    let (mut incoming, ended) = connection.receive();
    let (mut out, outgoing) = wasip3::wit_stream::new::<u8>();
    let sent = connection.send(outgoing);
    let mut line = Vec::new();
    while !line.contains(&b'\n') {
        let (result, part) = incoming.read(Vec::with_capacity(1024)).await;
        line.extend(part);
        if !matches!(result, StreamResult::Complete(_)) {
            break;
        }
    }
    let end = line.iter().position(|byte| *byte == b'\n').map_or(line.len(), |at| at + 1);
    let mut rest = line.split_off(end);
    let line = String::from_utf8_lossy(&line).trim().to_string();
    let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
    let answer = match command {
        "echo" => loop {
            if !out.write_all(rest).await.is_empty() {
                return;
            }
            let (result, part) = incoming.read(Vec::with_capacity(16 << 10)).await;
            if !matches!(result, StreamResult::Complete(_)) {
                break String::new();
            }
            rest = part;
        },
        "accepted" => ACCEPTED.get().to_string(),
        "peer" => connection.get_remote_address().map_or_else(|error| format!("{error:?}"), plain),
        "connect" => match connect(argument).await {
            Ok(answer) => format!("connected: {answer}"),
            Err(error) => format!("not connected: {error:?}"),
        },
        other => format!("{other} is unknown"),
    };
    out.write_all(answer.into_bytes()).await;
    drop(out);
    let _ = sent.await;
    drop((incoming, ended));
}

/// Connects, and returns what comes until the end.
async fn connect(to: &str) -> Result<String, ErrorCode> {
    let to: SocketAddr = to.parse().map_err(|_| ErrorCode::InvalidArgument)?;
    let socket = TcpSocket::create(family(to))?;
    socket.connect(address(to)).await?;
    let (mut out, outgoing) = wasip3::wit_stream::new::<u8>();
    let sent = socket.send(outgoing);
    out.write_all(b"hello\n".to_vec()).await;
    drop(out);
    let (incoming, ended) = socket.receive();
    let answer = incoming.collect().await;
    sent.await?;
    ended.await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Sends every datagram back.
async fn udp(at: &str) -> Result<(), ErrorCode> {
    let at: SocketAddr = at.parse().expect("an address");
    let socket = UdpSocket::create(family(at))?;
    socket.bind(address(at))?;
    println!("bound to {}", plain(socket.get_local_address()?));
    loop {
        let (data, from) = socket.receive().await?;
        socket.send(data, Some(from)).await?;
    }
}

fn family(address: SocketAddr) -> IpAddressFamily {
    if address.is_ipv4() { IpAddressFamily::Ipv4 } else { IpAddressFamily::Ipv6 }
}

fn address(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(address) => IpSocketAddress::Ipv4(Ipv4SocketAddress {
            port: address.port(),
            address: address.ip().octets().into(),
        }),
        SocketAddr::V6(address) => IpSocketAddress::Ipv6(Ipv6SocketAddress {
            port: address.port(),
            flow_info: 0,
            address: address.ip().segments().into(),
            scope_id: 0,
        }),
    }
}

fn plain(address: IpSocketAddress) -> String {
    match address {
        IpSocketAddress::Ipv4(Ipv4SocketAddress { port, address }) => {
            SocketAddr::from((<[u8; 4]>::from(address), port)).to_string()
        }
        IpSocketAddress::Ipv6(Ipv6SocketAddress { port, address, .. }) => {
            SocketAddr::from((<[u16; 8]>::from(address), port)).to_string()
        }
    }
}

wasip3::cli::command::export!(Service);
