//! The program `wkg`, to take turns with.

use std::process::Command;

use super::Sandbox;

/// The `wkg` that `WASH_TEST_WKG` names, where there is one; `scripts/test` installs it.
pub fn wkg(sandbox: &Sandbox) -> Option<Command> {
    let mut command = Command::new(std::env::var_os("WASH_TEST_WKG")?);
    sandbox.environment(&mut command);
    command.current_dir(sandbox.path());
    Some(command)
}
