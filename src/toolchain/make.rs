//! Projects with a Makefile: the default target, and whichever `.wasm` file it writes.

use super::checks::Need;
use super::recipe::{Facts, Recipe, program};

/// The recipe of a project with a Makefile.
pub(super) fn recipe(facts: Facts<'_>) -> Recipe {
    let make =
        if cfg!(windows) || facts.find("make").is_some() || facts.find("gmake").is_none() { "make" } else { "gmake" };
    Recipe {
        because: "Makefile".into(),
        needs: vec![Need::tool(make)],
        install: None,
        steps: vec![program(make, &[])],
        product: facts.product(),
        outputs: facts.declared().into_iter().collect(),
        blocked: None,
        env: facts.env,
    }
}
