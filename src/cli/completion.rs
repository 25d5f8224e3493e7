//! `wash completion`: a completion script for a shell.

use clap::ValueEnum;
use clap_complete::Shell;

use crate::context::Context;
use crate::error::Result;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell to complete for
    shell: Kind,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Bash,
    Elvish,
    Fish,
    #[value(name = "powershell")]
    PowerShell,
    Zsh,
}

pub fn run(ctx: &Context, args: Args) -> Result<()> {
    let shell = match args.shell {
        Kind::Bash => Shell::Bash,
        Kind::Elvish => Shell::Elvish,
        Kind::Fish => Shell::Fish,
        Kind::PowerShell => Shell::PowerShell,
        Kind::Zsh => Shell::Zsh,
    };
    ctx.shell.raw_result(&script(shell));
    Ok(())
}

/// The script as text; also what `completions/` holds.
pub fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::command(), "wash", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}
