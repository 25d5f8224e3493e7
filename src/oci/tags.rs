//! The tags of a repository.

use serde::Deserialize;
use url::Url;

use super::answer::Answer;
use super::auth::Action;
use super::client::Client;
use super::failure::{Failure, FailureKind, Result};
use super::patience::Retries;
use super::reference::Reference;
use super::transport::{Request, Scope, Transport, check_downgrade};
use crate::progress::Progress;

/// Asked for at once; registries give less if they want.
const PAGE: &str = "1000";
const LARGEST_PAGE: usize = 16 << 20;
/// A repository with more has lost its purpose, or its registry never ends.
const MOST_PAGES: usize = 1000;

#[derive(Deserialize)]
struct Page {
    /// Some registries have `null` for none.
    tags: Option<Vec<String>>,
}

impl Client {
    /// All tags of a repository, in the registry's order.
    pub async fn tags(&self, reference: &Reference, progress: &dyn Progress) -> Result<Vec<String>> {
        let tags = match self.transport("listing tags") {
            Ok(transport) => all(transport, reference).await,
            Err(failure) => Err(failure),
        };
        self.tell_notes(progress);
        tags.map_err(|failure| failure.wrap(format!("cannot list the tags of `{}`", reference.name())))
    }
}

async fn all(transport: &Transport, reference: &Reference) -> Result<Vec<String>> {
    let scope = Scope::of(reference, Action::Pull);
    let mut url = transport.url(&scope.registry, &scope.path("tags/list")).await?;
    url.query_pairs_mut().append_pair("n", PAGE);
    let mut tags = Vec::new();
    for _ in 0..MOST_PAGES {
        let (page, next) = one(transport, url, &scope).await?;
        tags.extend(page.tags.unwrap_or_default());
        match next {
            Some(next) => url = next,
            None => return Ok(tags),
        }
    }
    let message = format!("{} has more than {MOST_PAGES} pages of tags", scope.registry);
    Err(Failure::new(FailureKind::Refused, message))
}

async fn one(transport: &Transport, url: Url, scope: &Scope) -> Result<(Page, Option<Url>)> {
    let mut retries = Retries::new(transport.settings.timing);
    let request = Request::get(url);
    loop {
        let answer = transport.send(&request, scope).await?;
        if !answer.is_success() {
            return Err(answer.refusal(&format!("{} does not list its tags", scope.registry), scope).await);
        }
        let next = next_page(&answer);
        match answer.bytes(LARGEST_PAGE, "the list of tags").await {
            Ok(bytes) => {
                let page = serde_json::from_slice(&bytes).map_err(|error| {
                    let message = format!("{} answered something else than a list of tags", scope.registry);
                    Failure::new(FailureKind::Refused, message).cause(error.to_string())
                })?;
                return Ok((page, next));
            }
            Err(setback) => retries.after(setback).await?,
        }
    }
}

/// Where the next page is: `Link: </v2/name/tags/list?last=x&n=1000>; rel="next"`.
fn next_page(answer: &Answer) -> Option<Url> {
    let link = answer.header("link")?;
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    if !rest.replace(['"', ' '], "").contains("rel=next") {
        return None;
    }
    let next = answer.url.join(target).ok()?;
    check_downgrade(&answer.url, &next).ok()?;
    // The same page again would never end.
    (next != answer.url).then_some(next)
}
