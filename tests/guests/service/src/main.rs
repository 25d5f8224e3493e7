//! A service that does what the variable `SERVICE` says: `tests/guests/README.md` has the list.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{TcpStream as Blocking, UdpSocket};
use std::process::exit;

use wstd::io::{AsyncRead, AsyncWrite};
use wstd::iter::AsyncIterator;
use wstd::net::{TcpListener, TcpStream};

/// Tests make another version by replacing the digits in the compiled file.
static VERSION: [u8; 25] = *b"WASH-SERVICE-VERSION-0000";

thread_local! {
    static ACCEPTED: Cell<u32> = const { Cell::new(0) };
}

fn main() {
    let what = std::env::var("SERVICE").unwrap_or_default();
    let (what, argument) = what.split_once(' ').unwrap_or((&what, ""));
    match what {
        "" | "tcp" => wstd::runtime::block_on(tcp(if argument.is_empty() { "127.0.0.1:7000" } else { argument })),
        "udp" => udp(argument),
        "http" => wstd::runtime::block_on(http()),
        "connect" => println!("{}", connect(argument)),
        "fetch" => wstd::runtime::block_on(fetch(argument)),
        "done" => println!("all is done"),
        "exit" => exit(argument.parse().expect("a number")),
        "panic" => {
            eprintln!("about to panic");
            panic!("service panic on purpose");
        }
        "loop" => {
            println!("looping");
            loop {
                std::hint::spin_loop();
            }
        }
        "sleep" => loop {
            std::thread::sleep(std::time::Duration::from_secs(3600));
        },
        other => panic!("SERVICE={other} is unknown"),
    }
}

/// Prints the body of an answer.
async fn fetch(url: &str) {
    let request = wstd::http::Request::get(url).body(wstd::http::Body::empty()).expect("a request");
    let mut answer = wstd::http::Client::new().send(request).await.expect("an answer").into_body();
    let body = answer.contents().await.expect("its body");
    print!("{}", String::from_utf8_lossy(body));
}

/// Serves connections, each for itself. The first line says what is wanted.
async fn tcp(at: &str) {
    let listener = TcpListener::bind(at).await.expect("it may listen");
    println!("listening on {}", listener.local_addr().expect("an address"));
    let mut incoming = listener.incoming();
    while let Some(stream) = incoming.next().await {
        let stream = stream.expect("a connection");
        ACCEPTED.set(ACCEPTED.get() + 1);
        wstd::runtime::spawn(async move {
            // A peer that leaves is not our fault.
            let _ = serve(stream).await;
        })
        .detach();
    }
}

async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut line = Vec::new();
    let mut byte = [0];
    while !line.ends_with(b"\n") && stream.read(&mut byte).await? == 1 {
        line.push(byte[0]);
    }
    let line = String::from_utf8_lossy(&line).trim().to_string();
    let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
    let answer = match command {
        "echo" => {
            let mut buffer = vec![0; 16 << 10];
            loop {
                match stream.read(&mut buffer).await? {
                    0 => return stream.flush().await,
                    count => stream.write_all(&buffer[..count]).await?,
                }
            }
        }
        "accepted" => ACCEPTED.get().to_string(),
        "version" => version(),
        "peer" => stream.peer_addr()?,
        "connect" => connect(argument),
        "panic" => {
            eprintln!("about to panic");
            panic!("service panic on purpose");
        }
        "exit" => exit(argument.parse().expect("a number")),
        // The connection stays, and nothing comes.
        "silent" => loop {
            wstd::task::sleep(wstd::time::Duration::from_secs(3600)).await;
        },
        other => format!("unknown: {other}"),
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await
}

fn version() -> String {
    let bytes = unsafe { std::ptr::read_volatile(&raw const VERSION) };
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends every datagram back.
fn udp(at: &str) {
    let socket = UdpSocket::bind(at).expect("it may bind");
    println!("bound to {}", socket.local_addr().expect("an address"));
    let mut buffer = vec![0; 65_536];
    loop {
        let (count, from) = socket.recv_from(&mut buffer).expect("a datagram");
        socket.send_to(&buffer[..count], from).expect("it may answer");
    }
}

/// Answers every HTTP request on port 8080, on connections that stay.
async fn http() {
    let listener = TcpListener::bind("127.0.0.1:8080").await.expect("it may listen");
    let mut incoming = listener.incoming();
    while let Some(Ok(mut stream)) = incoming.next().await {
        ACCEPTED.set(ACCEPTED.get() + 1);
        wstd::runtime::spawn(async move {
            let mut head = Vec::new();
            let mut byte = [0];
            while let Ok(1) = stream.read(&mut byte).await {
                head.push(byte[0]);
                if head.ends_with(b"\r\n\r\n") {
                    let body = format!("service {}", ACCEPTED.get());
                    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
                    if stream.write_all(answer.as_bytes()).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                    head.clear();
                }
            }
        })
        .detach();
    }
}

/// What connecting to somewhere gives.
fn connect(to: &str) -> String {
    let exchange = || {
        let mut stream = Blocking::connect(to)?;
        stream.write_all(b"from the service")?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok::<_, std::io::Error>(answer)
    };
    match exchange() {
        Ok(answer) => format!("connected: {answer}"),
        Err(error) => format!("not connected: {:?}", error.kind()),
    }
}
