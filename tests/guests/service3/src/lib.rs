//! A service of WASI 0.3: waits, tries to connect to 127.0.0.1:7000, prints what that gave, and ends.

use wasip3::clocks::monotonic_clock;
use wasip3::sockets::types::{IpAddressFamily, IpSocketAddress, Ipv4SocketAddress, TcpSocket};

struct Service;

impl wasip3::exports::cli::run::Guest for Service {
    async fn run() -> Result<(), ()> {
        monotonic_clock::wait_for(20_000_000).await;
        let socket = TcpSocket::create(IpAddressFamily::Ipv4).map_err(|_| ())?;
        let address = Ipv4SocketAddress { port: 7000, address: (127, 0, 0, 1) };
        println!("connecting gave {:?}", socket.connect(IpSocketAddress::Ipv4(address)).await);
        Ok(())
    }
}

wasip3::cli::command::export!(Service);
