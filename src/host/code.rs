//! Machine code that is there: once for all workloads that run the same component.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::runtime::compose::Personal;

/// Compiled components that are kept although nothing runs them: an edit that is taken back, a
/// sidecar that stays the same.
const KEPT: usize = 8;

/// Machine code, and for a composed component the imports that belong to one of its members.
pub struct Compiled {
    pub code: wasmtime::component::Component,
    pub personal: Vec<Personal>,
}

/// What is compiled, by the digests that it was made of.
pub struct Shelf<T = Compiled> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    /// The last ones, also those that nothing runs.
    recent: VecDeque<(String, Arc<T>)>,
    /// Everything that something runs.
    used: HashMap<String, Weak<T>>,
    /// Who wants what somebody else compiles already waits for that.
    turns: HashMap<String, Weak<tokio::sync::Mutex<()>>>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        let inner = Inner { recent: VecDeque::new(), used: HashMap::new(), turns: HashMap::new() };
        Shelf { inner: Mutex::new(inner) }
    }
}

impl<T> Shelf<T> {
    /// What is there under this key, or else what `make` makes. It is made once, however many ask.
    pub async fn get_or<E>(&self, key: &str, make: impl Future<Output = Result<T, E>>) -> Result<Arc<T>, E> {
        let turn = self.lock().turn(key);
        let _turn = turn.lock().await;
        if let Some(found) = self.lock().find(key) {
            return Ok(found);
        }
        let made = Arc::new(make.await?);
        let mut inner = self.lock();
        inner.used.retain(|_, code| code.strong_count() > 0);
        inner.used.insert(key.to_string(), Arc::downgrade(&made));
        inner.recent.push_front((key.to_string(), made.clone()));
        inner.recent.truncate(KEPT);
        Ok(made)
    }

    /// Keeps nothing any more that nothing runs. What still has calls goes with the last of them.
    pub fn forget_unused(&self) {
        let mut inner = self.lock();
        // Not only what is unused now: a call that ends later would leave its code here.
        inner.recent.clear();
        inner.used.retain(|_, code| code.strong_count() > 0);
    }

    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Inner<T> {
    fn find(&self, key: &str) -> Option<Arc<T>> {
        self.used.get(key).and_then(Weak::upgrade)
    }

    fn turn(&mut self, key: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.turns.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = self.turns.get(key).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        self.turns.insert(key.to_string(), Arc::downgrade(&turn));
        turn
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn the_same_is_made_once_for_all_that_run_it() {
        let (shelf, made) = (Shelf::<u32>::default(), AtomicU32::new(0));
        let make = |key: u32| {
            let made = &made;
            async move {
                tokio::task::yield_now().await;
                made.fetch_add(1, Ordering::Relaxed);
                Ok::<_, Infallible>(key)
            }
        };
        let asked = (0..5).map(|_| shelf.get_or("a", make(1)));
        let all: Vec<_> = futures::future::join_all(asked).await.into_iter().map(Result::unwrap).collect();
        assert!(all.iter().all(|one| Arc::ptr_eq(one, &all[0])));
        assert_eq!(made.load(Ordering::Relaxed), 1);
        // Also when many others have come meanwhile.
        for key in 0..100 {
            shelf.get_or(&key.to_string(), make(key)).await.unwrap();
        }
        assert!(Arc::ptr_eq(&shelf.get_or("a", make(1)).await.unwrap(), &all[0]));
        shelf.forget_unused();
        assert!(Arc::ptr_eq(&shelf.get_or("a", make(1)).await.unwrap(), &all[0]), "it is used");
        drop(all);
        shelf.forget_unused();
        assert!(shelf.lock().used.is_empty() && shelf.lock().recent.is_empty());
        shelf.get_or("a", make(1)).await.unwrap();
        assert_eq!(made.load(Ordering::Relaxed), 102);
    }

    #[tokio::test]
    async fn what_could_not_be_made_is_tried_by_the_next() {
        let shelf = Shelf::<u32>::default();
        let failed = shelf.get_or("a", async { Err("no") });
        assert_eq!(failed.await.unwrap_err(), "no");
        assert_eq!(*shelf.get_or("a", async { Ok::<_, &str>(1) }).await.unwrap(), 1);
    }
}
