//! What is shown to a server: `TELESTRATA_TOKEN`, or `TELESTRATA_USER` and `TELESTRATA_PASSWORD`.
//!
//! Never a flag, which other users of the machine could read, and never in a URL, which is repeated in messages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use url::{Host, Url};

use crate::error::{Error, Result};

const TOKEN: &str = "TELESTRATA_TOKEN";
const USER: &str = "TELESTRATA_USER";
const PASSWORD: &str = "TELESTRATA_PASSWORD";

/// The headers for a server at `url`.
///
/// # Errors
/// `Config` where the variables contradict each other or hold what no header can.
pub(super) fn headers(url: &Url) -> Result<HeaderMap> {
    let Some(shown) = shown(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))? else {
        return Ok(HeaderMap::new());
    };
    let mut value = HeaderValue::try_from(shown)
        .map_err(|_| Error::config(format!("{TOKEN} holds what no header can: line breaks or control characters")))?;
    value.set_sensitive(true);
    if url.scheme() == "http" && !is_loopback(url) {
        eprintln!("warning: the credentials travel to {} in plaintext; use https://", url.authority());
    }
    Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
}

fn shown(env: impl Fn(&str) -> Option<String>) -> Result<Option<String>> {
    match (env(TOKEN), env(USER), env(PASSWORD)) {
        (None, None, None) => Ok(None),
        (Some(token), None, None) => Ok(Some(format!("Bearer {}", token.trim()))),
        (None, Some(user), Some(password)) => {
            Ok(Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
        }
        (Some(_), ..) => Err(Error::config(format!("set {TOKEN}, or {USER} and {PASSWORD}, not both"))),
        (None, Some(_), None) => Err(Error::config(format!("{USER} is set, and {PASSWORD} is not"))),
        (None, None, Some(_)) => Err(Error::config(format!("{PASSWORD} is set, and {USER} is not"))),
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(&[], Ok(None))]
    #[case(&[(TOKEN, "tst_a_1\n")], Ok(Some("Bearer tst_a_1")))]
    #[case(&[(USER, "ann"), (PASSWORD, "a:b")], Ok(Some("Basic YW5uOmE6Yg==")))]
    #[case(&[(USER, "ann")], Err("TELESTRATA_PASSWORD is not"))]
    #[case(&[(PASSWORD, "hunter2")], Err("TELESTRATA_USER is not"))]
    #[case(&[(TOKEN, "t"), (USER, "ann"), (PASSWORD, "hunter2")], Err("not both"))]
    fn what_is_shown(#[case] env: &[(&str, &str)], #[case] expected: Result<Option<&str>, &str>) {
        let found = shown(|name| Some(env.iter().find(|(set, _)| *set == name)?.1.to_owned()));
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found.as_deref(), expected),
            (Err(error), Err(part)) => {
                assert!(error.message().contains(part) && !error.message().contains("hunter2"), "{error}");
            }
            (found, expected) => panic!("{found:?}, not {expected:?}"),
        }
    }
}
