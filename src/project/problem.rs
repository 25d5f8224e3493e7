//! What is wrong with settings, with the place, and how several problems become one error.

use super::source::Origin;
use crate::error::Error;

/// One thing that is wrong with the settings.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What is wrong, one line.
    pub message: String,
    /// Who said it.
    pub origin: Origin,
    /// What to write instead, one line.
    pub hint: Option<String>,
    /// Whether the values of the line are left out where it is shown.
    pub hides_values: bool,
}

impl Problem {
    /// Something wrong with what `origin` says.
    pub fn at(origin: &Origin, message: impl Into<String>) -> Self {
        Problem { message: message.into(), origin: origin.clone(), hint: None, hides_values: false }
    }

    /// Says what to write instead.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Leaves the values of the line out where it is shown: what could not be read may be a secret.
    pub fn without_values(mut self) -> Self {
        self.hides_values = true;
        self
    }

    fn excerpt(&self) -> Option<String> {
        if self.hides_values { self.origin.excerpt_without_values() } else { self.origin.excerpt() }
    }

    /// Message, place and hint as a block of text.
    fn block(&self) -> String {
        let mut block = self.message.clone();
        if let Some(excerpt) = self.excerpt() {
            block.push('\n');
            block.push_str(&excerpt);
        }
        if let Some(hint) = &self.hint {
            block.push_str("\n  hint: ");
            block.push_str(hint);
        }
        block
    }

    /// An error that says this.
    pub fn into_error(self) -> Error {
        let excerpt = self.excerpt();
        let mut error = Error::usage(self.message);
        if let Some(excerpt) = excerpt {
            error = error.details(excerpt);
        }
        match self.hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }
}

/// One error that tells all the problems; `None` if there are none.
pub fn into_error(problems: Vec<Problem>) -> Option<Error> {
    into_error_about("the settings", problems)
}

/// The same for something else than settings, e.g. `the manifests`.
pub fn into_error_about(what: &str, mut problems: Vec<Problem>) -> Option<Error> {
    match problems.len() {
        0 => None,
        1 => problems.pop().map(Problem::into_error),
        count => {
            problems.sort_by(|one, other| one.origin.position().cmp(&other.origin.position()));
            let blocks: Vec<String> = problems.iter().map(Problem::block).collect();
            Some(Error::usage(format!("{count} problems in {what}")).details(blocks.join("\n\n")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::source::{Mark, Source};
    use std::sync::Arc;

    #[test]
    fn one_problem_is_the_error_itself() {
        let problem = Problem::at(&Origin::Variable("WASH_DEV__X".into()), "unknown key `x` in `dev`").hint("try `y`");
        let error = into_error(vec![problem]).unwrap();
        assert_eq!(error.message(), "unknown key `x` in `dev`");
        assert_eq!(error.details_text(), Some(" --> the variable `WASH_DEV__X` of the environment"));
        assert_eq!(error.hints(), ["try `y`"]);
        assert_eq!(error.exit_code(), 2);
    }

    #[test]
    fn several_problems_are_all_told_in_the_order_of_their_places() {
        let source = Arc::new(Source { path: "/p/config.yaml".into(), text: "a\nb\n".into() });
        let place = |line| Origin::File { source: source.clone(), mark: Mark { line, column: 1, width: 1 } };
        let problems = vec![
            Problem::at(&Origin::Flag("--a"), "fourth"),
            Problem::at(&Origin::Variable("WASH_A__B".into()), "third"),
            Problem::at(&place(2), "second").hint("do it"),
            Problem::at(&place(1), "first"),
        ];
        let error = into_error(problems).unwrap();
        assert_eq!(error.message(), "4 problems in the settings");
        let text = "first
 --> /p/config.yaml:1:1
  |
1 | a
  | ^

second
 --> /p/config.yaml:2:1
  |
2 | b
  | ^
  hint: do it

third
 --> the variable `WASH_A__B` of the environment

fourth
 --> the flag `--a`";
        assert_eq!(error.details_text(), Some(text));
    }
}
