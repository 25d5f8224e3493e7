//! How deeply types of components are nested in each other.
//!
//! The library reads a type inside of a type by calling itself, without a bound. Three bytes of a
//! made-up file are a level then, and a small file overflows the stack: so the levels are counted
//! first, by a loop.

use wasmparser::{BinaryReader, ComponentAlias, ComponentExternName, ComponentImport, ComponentType, ComponentTypeRef};
use wasmparser::{CoreType, Error};

/// Deeper types are refused. Those that tools make have three or four levels.
pub(super) const DEEPEST: usize = 100;

/// Where the types of a section are nested too deeply; `section` is the content of a type section of a
/// component, which begins at `offset` of the file. What cannot be read is left to the validator.
pub(super) fn too_deep_at(section: &[u8], offset: usize) -> Option<usize> {
    find(&mut BinaryReader::new(section, offset)).ok().flatten()
}

fn find(reader: &mut BinaryReader<'_>) -> Result<Option<usize>, Error> {
    // Of each type that is open, how many declarations are still to come.
    let mut open: Vec<u32> = Vec::new();
    let mut types = reader.read_var_u32()?;
    loop {
        match open.last_mut() {
            None if types == 0 => return Ok(None),
            None => {
                types -= 1;
                begin(reader, &mut open)?;
            }
            Some(0) => {
                open.pop();
            }
            Some(left) => {
                *left -= 1;
                match reader.read_u8()? {
                    0x00 => {
                        reader.read::<CoreType>()?;
                    }
                    0x01 => begin(reader, &mut open)?,
                    0x02 => {
                        reader.read::<ComponentAlias>()?;
                    }
                    0x03 => {
                        reader.read::<ComponentImport>()?;
                    }
                    0x04 => {
                        reader.read::<ComponentExternName>()?;
                        reader.read::<ComponentTypeRef>()?;
                    }
                    _ => return Ok(None),
                }
            }
        }
        if open.len() > DEEPEST {
            return Ok(Some(reader.original_position()));
        }
    }
}

/// Reads a type, or the beginning of one that has types inside.
fn begin(reader: &mut BinaryReader<'_>, open: &mut Vec<u32>) -> Result<(), Error> {
    let first = reader.clone().read_u8()?;
    if matches!(first, 0x41 | 0x42) {
        reader.read_u8()?;
        open.push(reader.read_var_u32()?);
    } else {
        reader.read::<ComponentType>()?;
    }
    Ok(())
}
