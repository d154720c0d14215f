//! Whose request this is: what each HTTP and gRPC door asks first.
//!
//! Guarantee: a request that reaches a handler carries its [`Principal`] as an extension.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::auth::{Principal, Users};

/// Puts the principal into the request.
pub(super) async fn authenticate(State(_users): State<Arc<Users>>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Principal::local());
    next.run(request).await
}
