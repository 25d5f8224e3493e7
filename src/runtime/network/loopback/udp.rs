//! Datagrams of a workload's own loopback.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use super::Lease;
use super::pipe::Wakers;

/// The largest datagram, as over IPv4.
pub const MOST_BYTES: usize = 65_507;
/// So many datagrams wait for a receiver; further ones are lost, as they are in a network.
const QUEUED: usize = 256;
/// So many bytes wait for a receiver.
const QUEUED_BYTES: usize = 1 << 20;
/// So many peers are remembered by one that may only answer.
const PEERS: usize = 1024;

/// A bound socket. It holds its port until it is dropped.
pub struct Datagrams {
    pub local: SocketAddr,
    /// Whether anybody may send to it. Otherwise only those it has sent to.
    open: bool,
    state: Mutex<State>,
    _lease: Lease,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Vec<u8>, SocketAddr)>,
    bytes: usize,
    peers: HashSet<SocketAddr>,
    receivers: Wakers,
}

impl Datagrams {
    pub(super) fn new(lease: Lease, open: bool) -> Self {
        Datagrams { local: lease.address(), open, state: Mutex::default(), _lease: lease }
    }

    /// Takes the next datagram from `peer`, or from anybody. What comes from others meanwhile is lost.
    pub fn poll_receive(&self, cx: &mut Context<'_>, peer: Option<SocketAddr>) -> Poll<(Vec<u8>, SocketAddr)> {
        let mut state = self.lock();
        while let Some((data, from)) = state.queue.pop_front() {
            state.bytes -= data.len();
            if peer.is_none_or(|peer| peer == from) {
                return Poll::Ready((data, from));
            }
        }
        state.receivers.add(cx);
        Poll::Pending
    }

    /// Ready when there is a datagram.
    pub fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.queue.is_empty() {
            state.receivers.add(cx);
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Whether anybody may send to it.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Whom it sends to may answer.
    pub(super) fn expect(&self, peer: SocketAddr) {
        let mut state = self.lock();
        if !self.open && state.peers.len() < PEERS {
            state.peers.insert(peer);
        }
    }

    /// A datagram arrives.
    pub(super) fn deliver(&self, data: Vec<u8>, from: SocketAddr) {
        let mut state = self.lock();
        let wanted = self.open || state.peers.contains(&from);
        if wanted && state.queue.len() < QUEUED && state.bytes + data.len() <= QUEUED_BYTES {
            state.bytes += data.len();
            state.queue.push_back((data, from));
            state.receivers.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
