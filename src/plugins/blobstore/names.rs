//! The names of a container's objects on their way to a guest.

use std::collections::VecDeque;

use super::backend::{Backend, ContainerId};

/// How many names are fetched in one go, and the most that one call returns.
pub const PAGE: usize = 10_000;

/// The guest's `stream-object-names`. The names come sorted; an object that is there all the time is
/// listed once, whatever happens to the others meanwhile.
pub struct ObjectNames {
    container: ContainerId,
    fetched: VecDeque<String>,
    last: Option<String>,
    /// There is nothing after what was fetched.
    complete: bool,
}

impl ObjectNames {
    /// A list of which nothing has been fetched.
    pub fn new(container: ContainerId) -> Self {
        ObjectNames { container, fetched: VecDeque::new(), last: None, complete: false }
    }

    /// Returns at most `most` names, and whether they were the last ones.
    pub async fn take(&mut self, backend: &dyn Backend, most: u64) -> Result<(Vec<String>, bool), String> {
        self.fetch(backend).await?;
        let count = self.fetched.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let names = self.fetched.drain(..count).collect();
        self.fetch(backend).await?;
        Ok((names, self.fetched.is_empty()))
    }

    /// Passes over at most `most` names; returns over how many, and whether they were the last ones.
    pub async fn skip(&mut self, backend: &dyn Backend, most: u64) -> Result<(u64, bool), String> {
        let mut skipped = 0;
        loop {
            let (names, ended) = self.take(backend, most - skipped).await?;
            skipped += names.len() as u64;
            if ended || skipped == most {
                return Ok((skipped, ended));
            }
        }
    }

    async fn fetch(&mut self, backend: &dyn Backend) -> Result<(), String> {
        if self.fetched.is_empty() && !self.complete {
            self.fetched = backend.objects(&self.container, self.last.as_deref(), PAGE).await?.into();
            self.complete = self.fetched.len() < PAGE;
            self.last = self.fetched.back().cloned().or(self.last.take());
        }
        Ok(())
    }
}
