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
