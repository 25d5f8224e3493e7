//! What a repository is called, and which URLs and refs are given to git.

use crate::error::{Error, Result};

/// A Git repository, and what of its history is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// What `git` is given.
    pub url: String,
    /// A branch, a tag or a commit; none: what the repository's `HEAD` points at.
    pub git_ref: Option<String>,
}

impl Repository {
    /// Takes a URL and a ref as they were typed.
    ///
    /// Errors: they would run a command, or git would take them for something else.
    pub fn parse(url: &str, git_ref: Option<&str>) -> Result<Self> {
        refuse_what_git_must_not_see(url)?;
        if let Some(git_ref) = git_ref {
            check_git_ref(git_ref)?;
        }
        Ok(Repository { url: url.to_string(), git_ref: git_ref.map(ToString::to_string) })
    }

    /// The URL for messages and reports, without a password.
    pub fn shown_url(&self) -> String {
        without_password(&self.url)
    }

    /// The last part of the URL: `https://host/me/hello.git/` and `git@host:hello.git` are both
    /// `hello`.
    pub fn name(&self) -> String {
        let url = self.url.trim_end_matches('/');
        let url = url.strip_suffix(".git").unwrap_or(url).trim_end_matches('/');
        url.rsplit(['/', ':', '\\']).next().unwrap_or_default().to_string()
    }

    /// Whether the repository is on this machine.
    pub fn is_local(&self) -> bool {
        self.url.starts_with("file://")
    }
}

/// Whether git would take it as a URL rather than as a path: `scheme://…`, `helper::…`, or `host:path`.
pub fn is_git_url(typed: &str) -> bool {
    let scheme = |(scheme, _): (&str, &str)| is_scheme(scheme);
    if typed.split_once("::").is_some_and(scheme) || typed.split_once("://").is_some_and(scheme) {
        return true;
    }
    // One letter before the colon is a drive of Windows.
    typed.split_once(':').is_some_and(|(host, _)| host.len() > 1 && !host.contains(['/', '\\', ' ']))
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// git is told which argument is the URL and which transports are allowed; this is the second lock.
fn refuse_what_git_must_not_see(url: &str) -> Result<()> {
    if url.starts_with('-') || url.chars().any(char::is_control) {
        return Err(Error::usage(format!("`{}` is no Git URL", url.escape_default())));
    }
    if ["ext::", "fd::"].iter().any(|helper| url.to_ascii_lowercase().starts_with(helper)) {
        return Err(Error::usage(format!("`{url}` would run a command, so it is refused as a source")));
    }
    Ok(())
}

fn check_git_ref(git_ref: &str) -> Result<()> {
    let strange = |c: char| c.is_control() || c.is_whitespace() || matches!(c, ':' | '*' | '?' | '[' | '\\');
    if git_ref.is_empty() || git_ref.starts_with(['-', '+', '^']) || git_ref.contains(strange) {
        return Err(Error::usage(format!("`{}` is no branch, tag or commit", git_ref.escape_default())));
    }
    Ok(())
}

/// A token in a URL must not end up in a log.
pub fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_string() };
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    match authority.rsplit_once('@') {
        Some((user, host)) => {
            // A user name alone may be a token, except where it is needed to log in at all.
            let user = if user.contains(':') || !scheme.contains("ssh") { "***" } else { user };
            format!("{scheme}://{user}@{host}{}", &rest[authority.len()..])
        }
        None => url.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refs_that_git_would_take_for_something_else_are_refused() {
        for git_ref in ["main", "v1.0", "feature/x", "0123abc", "refs/tags/v1"] {
            assert!(check_git_ref(git_ref).is_ok(), "{git_ref}");
        }
        for git_ref in ["", "-x", "+main", "a:b", "a b", "refs/heads/*", "^main"] {
            assert!(check_git_ref(git_ref).is_err(), "{git_ref}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("https://me:secret@example.com/x", "https://***@example.com/x"),
            ("https://token@example.com/x", "https://***@example.com/x"),
            ("https://example.com/@x", "https://example.com/@x"),
            ("ssh://git@example.com/x", "ssh://git@example.com/x"),
            ("ssh://git:secret@example.com/x", "ssh://***@example.com/x"),
            ("git@example.com:x", "git@example.com:x"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
