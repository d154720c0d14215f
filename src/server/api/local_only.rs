//! What pages of other sites may do through the browser of someone who may come in: nothing.
//!
//! Nothing but the address protects an API without credentials on a loopback address. A page from elsewhere could
//! still reach it: by a name that it makes point here (DNS rebinding; it shows in `Host`), or by a plain cross-site
//! request (it shows in `Origin`). Where there are credentials, a browser remembers them for the name that they were
//! given to, so that rebinding brings none; it does send them along with a cross-site request.

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

const OTHER_SITE: &str = "pages of other sites may not ask here";

/// Lets requests pass that a local program or a local page made.
pub(super) async fn local_only(request: Request, next: Next) -> Response {
    match check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Lets requests pass that a program or a page of this very server made.
pub(super) async fn same_origin(request: Request, next: Next) -> Response {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let own = |origin: &HeaderValue| {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        host.is_some_and(|host| origin.is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(host)))
    };
    if headers.get(header::ORIGIN).is_none_or(own) {
        return next.run(request).await;
    }
    Problem::of_status(StatusCode::FORBIDDEN, OTHER_SITE).into_response()
}

fn check(headers: &HeaderMap) -> Result<(), Problem> {
    if let Some(host) = headers.get(header::HOST)
        && !host.to_str().is_ok_and(is_local)
    {
        let detail = "the Host header names another machine; ask for localhost, or listen on an address of the network";
        return Err(Problem::of_status(StatusCode::MISDIRECTED_REQUEST, detail));
    }
    if headers.contains_key(header::ORIGIN) && !has_local_origin(headers) {
        return Err(Problem::of_status(StatusCode::FORBIDDEN, OTHER_SITE));
    }
    Ok(())
}

/// Whether a page of this machine asks.
pub(super) fn has_local_origin(headers: &HeaderMap) -> bool {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    origin.and_then(|origin| origin.split_once("://")).is_some_and(|(_, host)| is_local(host))
}

/// Whether `host[:port]` names this machine whatever a DNS server says.
fn is_local(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("localhost", true)]
    #[case("LOCALHOST:8710", true)]
    #[case("127.0.0.1:8710", true)]
    #[case("127.1.2.3", true)]
    #[case("[::1]:8710", true)]
    #[case("localhost.evil.example", false)]
    #[case("evil.example:8710", false)]
    #[case("localhost@evil.example", false)]
    #[case("evil.example@localhost", false)]
    #[case("192.168.0.7", false)]
    #[case("", false)]
    fn only_names_of_this_machine_are_local(#[case] host: &str, #[case] local: bool) {
        assert_eq!(is_local(host), local);
    }
}
