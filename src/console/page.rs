//! The files of the page. They are inside of the program, and name nothing that is elsewhere.

use http::{HeaderMap, HeaderValue, header};

/// Name, type and content.
const FILES: &[(&str, &str, &str)] = &[
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/console.css", "text/css; charset=utf-8", include_str!("page/console.css")),
    ("/console.js", "text/javascript; charset=utf-8", include_str!("page/console.js")),
    ("/list.js", "text/javascript; charset=utf-8", include_str!("page/list.js")),
    ("/dom.js", "text/javascript; charset=utf-8", include_str!("page/dom.js")),
    ("/requests.js", "text/javascript; charset=utf-8", include_str!("page/requests.js")),
    ("/builds.js", "text/javascript; charset=utf-8", include_str!("page/builds.js")),
    ("/data.js", "text/javascript; charset=utf-8", include_str!("page/data.js")),
    ("/call.js", "text/javascript; charset=utf-8", include_str!("page/call.js")),
    ("/workload.js", "text/javascript; charset=utf-8", include_str!("page/workload.js")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

/// Scripts, styles and answers come from this page's own server, and from nowhere else; nobody may put it in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Finds a file: its type and its content.
pub fn file(path: &str) -> Option<(&'static str, &'static str)> {
    FILES.iter().find(|(name, ..)| *name == path).map(|(_, kind, content)| (*kind, *content))
}

/// Puts on every response what keeps it to the page.
pub fn protect(headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_its_own_files_and_nothing_elsewhere() {
        let (_, page) = file("/").unwrap();
        for (name, _, content) in FILES {
            assert!(!content.contains("https://") && !content.contains("//cdn"), "{name}");
            // The policy forbids them.
            assert!(!content.contains("style=\"") && !content.contains("onclick="), "{name}");
        }
        for quoted in page.split(['"', '\'']).filter(|text| text.starts_with('/')) {
            assert!(file(quoted).is_some(), "{quoted}");
        }
    }
}
