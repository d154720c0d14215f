//! `GET /`: what there is.

/// The paths of this API.
pub(super) async fn index() -> &'static str {
    include_str!("index.txt")
}
