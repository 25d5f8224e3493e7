//! What `std` gets from the host: environment, arguments, files and the standard streams.

use crate::answer::{Reply, bytes, done, lines, refuse};
use std::io::{Error as IoError, ErrorKind};
use wstd::http::StatusCode;

pub fn environment() -> Reply {
    let mut variables: Vec<_> = std::env::vars().map(|(key, value)| format!("{key}={value}")).collect();
    variables.sort();
    lines(variables)
}

pub fn arguments() -> Reply {
    lines(std::env::args())
}

pub fn read(path: &str) -> Reply {
    match std::fs::read(path) {
        Ok(content) => bytes(content),
        Err(error) => refuse_io(&error),
    }
}

pub fn write(path: &str, content: &[u8]) -> Reply {
    match std::fs::write(path, content) {
        Ok(()) => done(),
        Err(error) => refuse_io(&error),
    }
}

pub fn directory(path: &str) -> Reply {
    let entries = std::fs::read_dir(path).and_then(|entries| {
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<Result<Vec<_>, IoError>>()
    });
    match entries {
        Ok(mut names) => {
            names.sort();
            lines(names)
        }
        Err(error) => refuse_io(&error),
    }
}

pub fn stdout(text: &str) -> Reply {
    println!("{text}");
    done()
}

pub fn stderr(text: &str) -> Reply {
    eprintln!("{text}");
    done()
}

fn refuse_io(error: &IoError) -> Reply {
    let status = match error.kind() {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => StatusCode::FORBIDDEN,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    refuse(status, error.to_string())
}
