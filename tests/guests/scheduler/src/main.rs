//! A service that calls a component of its workload whenever it is told to.

mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "scheduler", generate_all });
}

use bindings::test::tasks::tasks::{self, Job};
use wstd::io::{AsyncRead, AsyncWrite};
use wstd::iter::AsyncIterator;
use wstd::net::TcpListener;

#[wstd::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:7000").await?;
    let mut calls = 0;
    let mut incoming = listener.incoming();
    while let Some(stream) = incoming.next().await {
        let mut stream = stream?;
        let mut line = Vec::new();
        let mut byte = [0];
        while !line.ends_with(b"\n") && stream.read(&mut byte).await? == 1 {
            line.push(byte[0]);
        }
        let line = String::from_utf8_lossy(&line).trim().to_string();
        let (command, argument) = line.split_once(' ').unwrap_or((&line, ""));
        calls += 1;
        let answer = match command {
            "calls" => format!("{} {}", tasks::calls(), tasks::calls()),
            "double" => {
                let size = argument.parse().expect("a number");
                let doubled = tasks::double(&vec![7; size]);
                format!("{} {}", doubled.len(), doubled.iter().all(|byte| *byte == 14))
            }
            "work" => format!("{:?}", tasks::work(&Job { name: argument.to_string(), size: 3 })),
            "vary" => format!("{:?}", tasks::vary(argument)),
            "bare" => format!("{:?}", tasks::bare(argument)),
            "plain" => tasks::plain(argument),
            "lived" => calls.to_string(),
            other => format!("unknown: {other}"),
        };
        // Who asked may have given up meanwhile.
        if stream.write_all(answer.as_bytes()).await.is_ok() {
            let _ = stream.flush().await;
        }
    }
    Ok(())
}
