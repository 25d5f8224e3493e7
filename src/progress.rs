//! How a room tells the user what it is doing, without knowing what a terminal is.

/// Takes what a room wants said while it works. The shell implements it; tests may record it.
pub trait Progress: Send + Sync {
    /// A step, as a verb and an object: `Building hello`.
    fn status(&self, verb: &str, object: &str);

    /// Something that is odd but does not stop us.
    fn warning(&self, message: &str);

    /// What to type or change next.
    fn hint(&self, message: &str);

    /// Asks something that is answered with yes or no. Where nobody can be asked, the answer is no.
    fn confirm(&self, question: &str) -> bool {
        let _ = question;
        false
    }

    /// Something that may take long. On a terminal it is shown after half a second and until the
    /// returned guard is dropped; elsewhere nothing is shown.
    fn busy(&self, message: &str) -> Busy;

    /// Bytes that are going to be transferred: how many of the `total` is shown on a terminal, until
    /// the returned guard is dropped.
    fn transfer(&self, message: &str, total: u64) -> Transfer {
        let _ = (message, total);
        Transfer::hidden()
    }
}

/// Ends the display of a long step when dropped.
#[must_use = "the step is shown until this is dropped"]
pub struct Busy(#[allow(dead_code, reason = "held for its Drop")] Option<Box<dyn std::any::Any + Send>>);

impl Busy {
    /// Wraps whatever ends the display in its `Drop`.
    pub fn new(guard: impl std::any::Any + Send) -> Self {
        Busy(Some(Box::new(guard)))
    }

    /// Shows nothing.
    pub fn hidden() -> Self {
        Busy(None)
    }
}

/// Shows how far a transfer has got; ends that display when dropped.
#[must_use = "the transfer is shown until this is dropped"]
pub struct Transfer(Option<Box<dyn Gauge>>);

/// What shows a transfer. Ends the display in its `Drop`.
pub trait Gauge: Send + Sync {
    /// So many bytes of the total have been transferred.
    fn moved(&self, bytes: u64);
}

impl Transfer {
    /// Wraps what shows it.
    pub fn new(gauge: impl Gauge + 'static) -> Self {
        Transfer(Some(Box::new(gauge)))
    }

    /// Shows nothing.
    pub fn hidden() -> Self {
        Transfer(None)
    }

    /// So many bytes of the total have been transferred.
    pub fn moved(&self, bytes: u64) {
        if let Some(gauge) = &self.0 {
            gauge.moved(bytes);
        }
    }
}

/// Says nothing at all.
pub struct Silent;

impl Progress for Silent {
    fn status(&self, _: &str, _: &str) {}
    fn warning(&self, _: &str) {}
    fn hint(&self, _: &str) {}
    fn busy(&self, _: &str) -> Busy {
        Busy::hidden()
    }
}
