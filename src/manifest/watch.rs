//! Keeps a node at what manifests say, also when they change.
//!
//! Files are looked at again and again and compared by their content: what a volume of Kubernetes
//! does to its files (links that are exchanged) and what editors do are then the same, and there is no
//! event that could be missed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use super::loader::Sources;
use super::{Found, Notice, Text, read};
use crate::error::{Error, Result};
use crate::node::Node;
use crate::node::reconcile::{Desired, Reconciler, Stamp};
use crate::node::report::Report;

/// How often files are looked at. What has changed is used when it looks the same twice: so long may
/// a file take to be written. Manifests are short, and a look takes less than a millisecond.
const LOOK: Duration = Duration::from_millis(500);

type Stamps = BTreeMap<PathBuf, Option<Stamp>>;

/// What the manifests said when they were last looked at.
pub struct Watched {
    sources: Sources,
    node: Node,
    /// What is in use, and what was there at the last look. `None`: it could not be read.
    used: Option<Vec<Text>>,
    last: Option<Vec<Text>>,
    /// What runs, or is to run.
    found: BTreeMap<String, Found>,
    /// How the image files looked when they were used, and at the last look.
    used_files: Stamps,
    last_files: Stamps,
    /// What has been told of what is wrong; not told again.
    told: Option<String>,
    notices: BTreeSet<Notice>,
}

impl Watched {
    /// Reads the manifests for the first time.
    ///
    /// Errors: a file cannot be read; something in them is wrong; stdin has nothing to run.
    pub fn first(sources: Sources, node: Node) -> Result<Self> {
        let texts = sources.read()?;
        let mut reading = read(&texts);
        if let Some(error) = reading.error() {
            return Err(error);
        }
        if reading.workloads.is_empty() && !sources.can_change() {
            return Err(Error::usage("there are no workloads on stdin")
                .hint("give documents of the kind `Workload` or `WorkloadDeployment`"));
        }
        let mut watched = Watched {
            sources,
            node,
            last: Some(texts.clone()),
            used: Some(texts),
            found: reading.workloads,
            used_files: Stamps::new(),
            last_files: Stamps::new(),
            told: None,
            notices: BTreeSet::new(),
        };
        watched.tell(reading.notices);
        watched.used_files = watched.stamps();
        watched.last_files = watched.used_files.clone();
        Ok(watched)
    }

    /// Keeps the node at what the manifests say, until this is dropped. `settled` is called once every
    /// workload of the first reading has been tried.
    pub async fn follow(mut self, settled: impl FnOnce()) {
        let mut reconciler = Reconciler::new(self.node.clone());
        reconciler.want(self.desired());
        let mut settled = Some(settled);
        let mut looking = tokio::time::interval(LOOK);
        looking.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            if reconciler.is_settled()
                && let Some(settled) = settled.take()
            {
                settled();
            }
            tokio::select! {
                _ = looking.tick() => {
                    if tokio::task::block_in_place(|| self.look()) {
                        reconciler.want(self.desired());
                    }
                }
                () = reconciler.next() => {}
            }
        }
    }

    /// Looks once; whether there should be something else now.
    fn look(&mut self) -> bool {
        let manifests = self.look_at_manifests();
        let stamps = self.stamps();
        let is_settled = stamps == self.last_files;
        self.last_files = stamps;
        if manifests || (is_settled && self.last_files != self.used_files) {
            self.used_files = self.last_files.clone();
            return true;
        }
        false
    }

    fn look_at_manifests(&mut self) -> bool {
        if !self.sources.can_change() {
            return false;
        }
        let texts = match self.sources.read() {
            Ok(texts) => texts,
            Err(error) => {
                let again = self.last.take().is_none();
                if again {
                    self.complain(error);
                }
                return false;
            }
        };
        let is_settled = self.last.as_ref() == Some(&texts);
        self.last = Some(texts.clone());
        if !is_settled || self.used.as_ref() == Some(&texts) {
            if is_settled {
                self.recovered();
            }
            return false;
        }
        let mut reading = read(&texts);
        self.used = Some(texts);
        for (id, before) in &self.found {
            if !reading.workloads.contains_key(id) && reading.keeps(before) {
                reading.workloads.insert(id.clone(), before.clone());
            }
        }
        match reading.error() {
            Some(error) => self.complain(error),
            None => self.told = None,
        }
        self.tell(reading.notices);
        let files = self.used.as_ref().map_or(0, Vec::len);
        let changed = reading.workloads != self.found;
        self.found = reading.workloads;
        if changed {
            self.node.feed().tell(Report::Manifests { files, workloads: self.found.len() });
        }
        changed
    }

    /// What could not be read can be again, and is as it was before.
    fn recovered(&mut self) {
        if self.told.is_some() && read(self.used.as_deref().unwrap_or_default()).problems.is_empty() {
            self.told = None;
            self.node
                .feed()
                .tell(Report::Manifests { files: self.used.as_ref().map_or(0, Vec::len), workloads: self.found.len() });
        }
    }

    fn complain(&mut self, error: Error) {
        let text = format!("{error} {}", error.details_text().unwrap_or_default());
        if self.told.as_ref() != Some(&text) {
            self.told = Some(text);
            self.node.feed().tell(Report::ManifestsInvalid { error });
        }
    }

    fn tell(&mut self, notices: Vec<Notice>) {
        let new: Vec<Notice> = notices.iter().filter(|notice| !self.notices.contains(notice)).cloned().collect();
        self.notices = notices.into_iter().collect();
        for notice in new {
            self.node.feed().tell(Report::Warning { message: notice.message });
            if let Some(hint) = notice.hint {
                self.node.feed().tell(Report::Hint { message: hint });
            }
        }
    }

    fn stamps(&self) -> Stamps {
        let files: BTreeSet<PathBuf> = self.found.values().flat_map(|found| found.spec.files()).collect();
        files.into_iter().map(|path| (path.clone(), Stamp::of(&path))).collect()
    }

    fn desired(&self) -> BTreeMap<String, Desired> {
        let desired = self.found.iter().map(|(id, found)| {
            let files = found.spec.files().into_iter();
            let files = files.map(|path| (path.clone(), self.used_files.get(&path).copied().flatten())).collect();
            (id.clone(), Desired { spec: found.spec.clone(), recreate: found.recreate, files })
        });
        desired.collect()
    }
}
