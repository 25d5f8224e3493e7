use crate::context::Context;
use crate::error::{Error, Result};

#[derive(Debug, clap::Args)]
pub struct Args {}

pub fn run(_ctx: &Context, _start: &std::path::Path, _args: Args) -> Result<()> {
    Err(Error::bug("not written"))
}
