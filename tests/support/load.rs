//! Constant requests over connections that stay open, and which of them were lost.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::{PATIENCE, eventually};

/// Whom to ask, and what may be answered.
#[derive(Clone, Debug)]
pub struct Aim {
    /// The host's name.
    pub host: String,
    /// Path and query.
    pub path: String,
    /// What is right, version by version: once a later one has answered, an earlier one is wrong.
    pub bodies: Vec<String>,
    /// Several workloads answer by turns while one takes over from the other: any of the bodies is right.
    pub by_turns: bool,
}

/// Asks everybody, over a connection for each, until it is stopped or the server ends.
///
/// A request is lost that has no complete answer with status 200 and a right body. Who is refused a new
/// connection after [`Load::server_ends`] has lost nothing: a balancer would have gone elsewhere.
pub struct Load {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    stop: AtomicBool,
    server_ends: AtomicBool,
    answered: Vec<AtomicUsize>,
    lost: Mutex<Vec<String>>,
}

impl Load {
    /// Begins to ask.
    pub fn start(url: &str, aims: &[Aim]) -> Load {
        let address: SocketAddr = url.split("://").nth(1).expect("a URL").parse().expect("an address");
        let shared = Arc::new(Shared {
            stop: AtomicBool::new(false),
            server_ends: AtomicBool::new(false),
            answered: aims.iter().map(|_| AtomicUsize::new(0)).collect(),
            lost: Mutex::default(),
        });
        // A thread for each: one that waits for its answer, or to be refused, keeps no other waiting.
        let begin = |(index, aim): (usize, &Aim)| {
            let mut client = Client { index, aim: aim.clone(), address, connection: None, version: 0 };
            let shared = shared.clone();
            std::thread::spawn(move || {
                let mut goes_on = true;
                while goes_on && !shared.stop.load(Ordering::SeqCst) {
                    goes_on = client.ask(&shared);
                }
            })
        };
        let threads = aims.iter().enumerate().map(begin).collect();
        let load = Load { shared, threads };
        load.everybody_answers_again();
        load
    }

    /// Waits until everybody has answered once more than by now.
    #[track_caller]
    pub fn everybody_answers_again(&self) {
        let counts = || self.shared.answered.iter().map(|count| count.load(Ordering::SeqCst)).collect::<Vec<_>>();
        let before = counts();
        // A request that is under way began before this.
        eventually("everybody answers", || {
            counts().iter().zip(&before).all(|(now, before)| *now >= before + 2)
                || !self.shared.lost.lock().unwrap().is_empty()
        });
        self.nothing_is_lost();
    }

    /// From now on the server may refuse connections.
    pub fn server_ends(&self) {
        self.shared.server_ends.store(true, Ordering::SeqCst);
    }

    /// Fails unless every request had its answer so far. Returns how many there were.
    #[track_caller]
    pub fn nothing_is_lost(&self) -> usize {
        let lost = self.shared.lost.lock().unwrap();
        let answered: usize = self.shared.answered.iter().map(|count| count.load(Ordering::SeqCst)).sum();
        assert!(lost.is_empty(), "{} of {} requests are lost: {lost:#?}", lost.len(), answered + lost.len());
        answered
    }

    /// Stops asking, and fails unless every request had its answer. Returns how many there were.
    #[track_caller]
    pub fn stop(mut self) -> usize {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.join();
        self.nothing_is_lost()
    }

    /// Waits until everybody is refused, and fails unless every request had its answer. Returns how many
    /// there were.
    #[track_caller]
    pub fn ended_with_the_server(mut self) -> usize {
        self.join();
        self.nothing_is_lost()
    }

    fn join(&mut self) {
        for thread in self.threads.drain(..) {
            thread.join().expect("the load is sent");
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }
}

struct Client {
    index: usize,
    aim: Aim,
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
    /// Which version answered last.
    version: usize,
}

impl Client {
    /// Sends one request; whether there may be another.
    fn ask(&mut self, shared: &Shared) -> bool {
        if self.connection.is_none() {
            match TcpStream::connect_timeout(&self.address, PATIENCE) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(PATIENCE)).expect("a time for reading");
                    stream.set_nodelay(true).expect("a connection");
                    self.connection = Some(BufReader::new(stream));
                }
                Err(_) if shared.server_ends.load(Ordering::SeqCst) => return false,
                Err(error) => {
                    self.lose(shared, format!("no connection: {error}"));
                    return false;
                }
            }
        }
        let answer = self.exchange();
        match answer {
            Ok((200, body)) if self.is_right(&body) => {
                shared.answered[self.index].fetch_add(1, Ordering::SeqCst);
            }
            other => {
                self.lose(shared, format!("{other:?}"));
                self.connection = None;
            }
        }
        true
    }

    fn lose(&self, shared: &Shared, why: String) {
        shared.lost.lock().unwrap().push(format!("{}{}: {why}", self.aim.host, self.aim.path));
    }

    fn is_right(&mut self, body: &str) -> bool {
        let first = if self.aim.by_turns { 0 } else { self.version };
        let found = self.aim.bodies[first..].iter().position(|right| right == body);
        self.version = found.map_or(self.version, |offset| first + offset);
        found.is_some()
    }

    fn exchange(&mut self) -> io::Result<(u16, String)> {
        let connection = self.connection.as_mut().expect("a connection");
        let head = format!("GET {} HTTP/1.1\r\nhost: {}\r\n\r\n", self.aim.path, self.aim.host);
        connection.get_mut().write_all(head.as_bytes())?;
        let (status, body, stays) = read_answer(connection)?;
        if !stays {
            self.connection = None;
        }
        Ok((status, body))
    }
}

/// Status and body of an answer, and whether the connection stays open after it.
fn read_answer(connection: &mut BufReader<TcpStream>) -> io::Result<(u16, String, bool)> {
    let status = line(connection)?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or(io::ErrorKind::InvalidData)?;
    let (mut length, mut chunked, mut stays) = (0, false, true);
    loop {
        let header = line(connection)?.to_ascii_lowercase();
        match header.split_once(": ") {
            None => break,
            Some(("content-length", value)) => length = value.parse().map_err(|_| io::ErrorKind::InvalidData)?,
            Some(("transfer-encoding", "chunked")) => chunked = true,
            Some(("connection", "close")) => stays = false,
            Some(_) => {}
        }
    }
    let mut body = vec![0; length];
    connection.read_exact(&mut body)?;
    while chunked {
        let size = usize::from_str_radix(&line(connection)?, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        let mut chunk = vec![0; size];
        connection.read_exact(&mut chunk)?;
        line(connection)?;
        body.extend(chunk);
        chunked = size > 0;
    }
    Ok((status, String::from_utf8_lossy(&body).into_owned(), stays))
}

/// A line without its end; the end of the stream is an error.
fn line(connection: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    if connection.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_string())
}
