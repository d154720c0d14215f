//! Whose request this is: what each HTTP and gRPC door asks first.
//!
//! Guarantee: a request that reaches a handler carries its [`Principal`] as an extension. Where users or tokens are
//! configured everyone shows one, on loopback too; where none are, everyone is [`Principal::local`].
//!
//! ```text
//! Authorization: Bearer TOKEN                ----+
//! Authorization: Basic base64(NAME:PASSWORD) ----+--> Users --> Principal --> role --> handler
//! ```

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::{Extension, Router};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;

use crate::auth::{Principal, Role, Users};
use crate::error::{Error, ErrorKind, Result};
use crate::metrics::{ByDoor, Metrics};

/// The form of Basic credentials (RFC 7617), with or without padding: Arrow's Go library, and with it ADBC, leaves it out.
const BASIC: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How a door tells a client with these headers that it is refused.
pub(super) type Refuse = fn(Error, &HeaderMap) -> Response;

/// What stands before a door's handlers.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    users: Arc<Users>,
    refused: Family<ByDoor, Counter>,
    door: &'static str,
    refuse: Refuse,
    role: Option<Role>,
    open: &'static [&'static str],
}

impl Gate {
    /// Before a door that refuses in this way.
    pub(super) fn new(users: Arc<Users>, metrics: &Metrics, door: &'static str, refuse: Refuse) -> Self {
        Self { users, refused: metrics.refused_callers.clone(), door, refuse, role: None, open: &[] }
    }

    /// The same, where the whole door needs a role.
    pub(super) fn needs(self, role: Role) -> Self {
        Self { role: Some(role), ..self }
    }

    /// The same, with paths that are open to all.
    pub(super) fn open_at(self, paths: &'static [&'static str]) -> Self {
        Self { open: paths, ..self }
    }

    /// Puts it before routes.
    pub(super) fn before(self, routes: Router) -> Router {
        routes.layer(from_fn_with_state(self, authenticate))
    }

    /// Puts the role alone before routes of a router that this gate stands before.
    pub(super) fn role_before<S: Clone + Send + Sync + 'static>(&self, role: Role, routes: Router<S>) -> Router<S> {
        routes.route_layer(from_fn_with_state(self.clone().needs(role), with_role))
    }

    /// Tells it, and counts it.
    fn turn_away(&self, error: Error, headers: &HeaderMap) -> Response {
        self.refused.get_or_create(&ByDoor { door: self.door, reason: error.kind().name() }).inc();
        (self.refuse)(error, headers)
    }
}

/// Refuses a principal that lacks the role.
async fn with_role(
    State(gate): State<Gate>,
    Extension(who): Extension<Principal>,
    request: Request,
    next: Next,
) -> Response {
    match gate.role.map_or(Ok(()), |role| who.require(role)) {
        Ok(()) => next.run(request).await,
        Err(error) => gate.turn_away(error, request.headers()),
    }
}

/// Puts the principal into the request, or refuses it.
async fn authenticate(State(gate): State<Gate>, mut request: Request, next: Next) -> Response {
    if gate.open.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    let known = principal(&gate.users, request.headers()).await;
    let allowed =
        known.and_then(|principal| gate.role.map_or(Ok(()), |role| principal.require(role)).map(|()| principal));
    match allowed {
        Ok(principal) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        Err(error) => gate.turn_away(error, request.headers()),
    }
}

/// Who shows these headers.
///
/// # Errors
/// `Unauthenticated` where they show nothing, or something wrong; as [`Users`] otherwise.
pub(super) async fn principal(users: &Users, headers: &HeaderMap) -> Result<Principal> {
    if users.is_empty() {
        return Ok(Principal::local());
    }
    let refused = |why: &str| Error::new(ErrorKind::Unauthenticated, why);
    let mut shown = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (shown.next(), shown.next()) else {
        return Err(refused(
            "show who asks: one Authorization header, Bearer with a token or Basic with a name and password",
        ));
    };
    let unknown =
        || refused("the Authorization header is neither Bearer with a token nor Basic with a name and password");
    let (scheme, rest) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(unknown)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        users.by_token(rest.trim()).await
    } else if scheme.eq_ignore_ascii_case("basic") {
        let decoded = BASIC.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let decoded = decoded.ok_or_else(unknown)?;
        let (name, password) = decoded.split_once(':').ok_or_else(unknown)?;
        users.by_password(name, password).await
    } else {
        Err(unknown())
    }
}

/// Tells a client of HTTP how it can show who it is (RFC 9110, section 11.6.1).
pub(super) fn challenge(mut response: Response) -> Response {
    if response.status() == StatusCode::UNAUTHORIZED {
        for way in [r#"Bearer realm="telestrata""#, r#"Basic realm="telestrata", charset="UTF-8""#] {
            response.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_static(way));
        }
    }
    response
}
