//! What the probe does with `wasi:sockets` 0.3.

use std::net::SocketAddr;

use wasip3::sockets::ip_name_lookup;
use wasip3::sockets::types::{
    ErrorCode, IpAddress, IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, Ipv6SocketAddress, TcpSocket, UdpSocket,
};

type Answer = Result<String, String>;

/// Connects to `ADDRESS:PORT,TEXT` or `NAME:PORT,TEXT`, sends the text, a line break and the body while it reads, tells that
/// this was all, and returns what comes back.
pub async fn tcp(query: &str, body: Vec<u8>) -> Answer {
    let (to, line) = query.split_once(',').unwrap_or((query, ""));
    let to = match parsed(to) {
        Ok(address) => address,
        Err(_) => looked_up(to).await?,
    };
    let socket = TcpSocket::create(family(to)).map_err(code)?;
    socket.connect(address(to)).await.map_err(code)?;
    let (mut out, outgoing) = wasip3::wit_stream::new::<u8>();
    let sent = socket.send(outgoing);
    let mut bytes = line.replace("%20", " ").into_bytes();
    bytes.push(b'\n');
    bytes.extend(body);
    wasip3::spawn_local(async move {
        out.write_all(bytes).await;
    });
    let (incoming, ended) = socket.receive();
    let answer = incoming.collect().await;
    sent.await.map_err(code)?;
    ended.await.map_err(code)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Sends the text of `ADDRESS:PORT,TEXT` as a datagram, without binding first, and again through a
/// socket that is connected; returns both answers.
pub async fn udp(query: &str) -> Answer {
    let (to, text) = query.split_once(',').unwrap_or((query, ""));
    let to = parsed(to)?;
    let socket = UdpSocket::create(family(to)).map_err(code)?;
    socket.send(text.into(), Some(address(to))).await.map_err(code)?;
    let (first, from) = socket.receive().await.map_err(code)?;
    socket.connect(address(to)).map_err(code)?;
    socket.send(text.into(), None).await.map_err(code)?;
    let (second, _) = socket.receive().await.map_err(code)?;
    let (first, second) = (String::from_utf8_lossy(&first), String::from_utf8_lossy(&second));
    Ok(format!("{first} {second} from {}", plain(from)))
}

pub async fn resolve(name: &str) -> Answer {
    let found = ip_name_lookup::resolve_addresses(name.to_string()).await.map_err(|error| format!("{error:?}"))?;
    Ok(found.into_iter().map(|found| format!("{}\n", ip(found))).collect())
}

pub fn listen(at: &str) -> Answer {
    let at = parsed(at)?;
    let socket = TcpSocket::create(family(at)).map_err(code)?;
    socket.bind(address(at)).map_err(code)?;
    drop(socket.listen().map_err(code)?);
    socket.get_local_address().map(plain).map_err(code)
}

pub fn bind_udp(at: &str) -> Answer {
    let at = parsed(at)?;
    let socket = UdpSocket::create(family(at)).map_err(code)?;
    socket.bind(address(at)).map_err(code)?;
    socket.get_local_address().map(plain).map_err(code)
}

/// The first address of `NAME:PORT`.
async fn looked_up(to: &str) -> Result<SocketAddr, String> {
    let (name, port) = to.rsplit_once(':').ok_or("there is no port")?;
    let found = ip_name_lookup::resolve_addresses(name.to_string()).await.map_err(|error| format!("{error:?}"))?;
    let first = *found.first().ok_or("it has no address")?;
    Ok(SocketAddr::new(ip(first), port.parse().map_err(|_| "that is no port")?))
}

fn parsed(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("{text} is no address"))
}

fn code(code: ErrorCode) -> String {
    format!("{code:?}")
}

fn family(address: SocketAddr) -> IpAddressFamily {
    if address.is_ipv4() { IpAddressFamily::Ipv4 } else { IpAddressFamily::Ipv6 }
}

fn address(address: SocketAddr) -> IpSocketAddress {
    match address {
        SocketAddr::V4(address) => {
            IpSocketAddress::Ipv4(Ipv4SocketAddress { port: address.port(), address: address.ip().octets().into() })
        }
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

fn ip(found: IpAddress) -> std::net::IpAddr {
    match found {
        IpAddress::Ipv4(address) => <[u8; 4]>::from(address).into(),
        IpAddress::Ipv6(address) => <[u16; 8]>::from(address).into(),
    }
}
