use wstd::io::{AsyncRead, AsyncWrite};
use wstd::iter::AsyncIterator;
use wstd::net::{TcpListener, TcpStream};

/// Runs for as long as the workload. `main` is what makes a component a service: it is the export
/// `wasi:cli/run`.
#[wstd::main]
async fn main() -> std::io::Result<()> {
    // Of the workload's own network, which nobody else can reach.
    let listener = TcpListener::bind("0.0.0.0:7777").await?;
    println!("listening on {}", listener.local_addr()?);
    let mut incoming = listener.incoming();
    while let Some(stream) = incoming.next().await {
        let stream = stream?;
        // Each connection is served beside the others.
        wstd::runtime::spawn(async move {
            if let Err(error) = serve(stream).await {
                eprintln!("a connection ended early: {error}");
            }
        })
        .detach();
    }
    Ok(())
}

/// Answers while it reads, so that a text of any length takes little memory.
async fn serve(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![0; 8 << 10];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return stream.flush().await;
        }
        buffer[..count].iter_mut().for_each(leet);
        stream.write_all(&buffer[..count]).await?;
    }
}

/// Letters of other scripts take several bytes, none of which is a letter of this one.
fn leet(byte: &mut u8) {
    *byte = match byte.to_ascii_lowercase() {
        b'a' => b'4',
        b'e' => b'3',
        b'i' | b'l' => b'1',
        b'o' => b'0',
        b's' => b'5',
        b't' => b'7',
        _ => *byte,
    };
}

#[cfg(test)]
mod tests {
    use super::leet;

    #[test]
    fn leet_replaces_letters_and_keeps_the_rest() {
        for (text, expected) in [
            ("hello world", "h3110 w0r1d"),
            ("Task LIST, 42?", "745k 1157, 42?"),
            ("größer", "größ3r"),
        ] {
            let mut bytes = text.as_bytes().to_vec();
            bytes.iter_mut().for_each(leet);
            assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        }
    }
}
