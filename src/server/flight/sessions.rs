//! Handshake: a name and password once, a bearer token on each call after that.
//!
//! A password costs tens of milliseconds to check, by design; a session's token costs a look-up. Sessions live in
//! memory: bounded in number for each principal, and ended by rest or a restart. Only the token's hash is kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use rand::RngExt;
use sha2::{Digest, Sha256};
use tonic::Status;

use crate::auth::Principal;
use crate::server::authenticate::Gate;

/// Sessions of one principal at a time; the one that has rested longest makes room.
const MAX_SESSIONS: usize = 256;

/// A session ends when it has rested this long.
const REST: Duration = Duration::from_secs(12 * 60 * 60);

/// What tells a session's token from a configured one.
const PREFIX: &str = "telestrata-session-";

/// The sessions of the door.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<Hash, Session>>);

type Hash = [u8; 32];

#[derive(Debug)]
struct Session {
    principal: Principal,
    used: Instant,
}

impl Sessions {
    /// Begins a session, and gives its token.
    pub(super) fn begin(&self, principal: Principal) -> String {
        let secret: [u8; 32] = rand::rng().random();
        let token = secret.iter().fold(PREFIX.to_owned(), |token, byte| format!("{token}{byte:02x}"));
        let now = Instant::now();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| now.duration_since(session.used) < REST);
        let own = || sessions.iter().filter(|(_, session)| session.principal == principal);
        if own().count() >= MAX_SESSIONS
            && let Some(oldest) = own().min_by_key(|(_, session)| session.used).map(|(hash, _)| *hash)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(hash(&token), Session { principal, used: now });
        token
    }

    /// Whose session a token is of.
    fn principal(&self, token: &str) -> Option<Principal> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get_mut(&hash(token))?;
        let now = Instant::now();
        if now.duration_since(session.used) >= REST {
            return None;
        }
        session.used = now;
        Some(session.principal.clone())
    }
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}

/// What the door asks before it answers.
#[derive(Debug)]
pub(super) struct Entrance {
    pub(super) sessions: Arc<Sessions>,
    pub(super) gate: Gate,
}

/// Lets in whoever shows a session's token, and asks all others as every door does.
pub(super) async fn admit(State(entrance): State<Arc<Entrance>>, mut request: Request, next: Next) -> Response {
    if let Some(token) = session_token(request.headers()) {
        if let Some(principal) = entrance.sessions.principal(token) {
            request.extensions_mut().insert(principal);
            return next.run(request).await;
        }
        if entrance.gate.knows_someone() {
            let ended =
                Status::unauthenticated("the session has ended, by rest or a restart of the server; connect again");
            return ended.into_http::<axum::body::Body>().into_response();
        }
    }
    entrance.gate.admit(request, next).await
}

fn session_token(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && token.starts_with(PREFIX)).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Role;

    #[test]
    fn a_token_is_its_principals_until_others_of_his_have_pushed_it_out() {
        let sessions = Sessions::default();
        let ann = Principal::new("ann", [Role::Query].into_iter().collect());
        let first = sessions.begin(ann.clone());
        let bob = sessions.begin(Principal::new("bob", [Role::Query].into_iter().collect()));
        assert_eq!(sessions.principal(&first), Some(ann.clone()));
        assert_eq!(sessions.principal(&format!("{PREFIX}0")), None);
        for _ in 0..MAX_SESSIONS {
            sessions.begin(ann.clone());
        }
        assert_eq!(sessions.principal(&first), None);
        assert!(sessions.principal(&bob).is_some(), "others have room of their own");
        assert_eq!(sessions.0.lock().unwrap().len(), MAX_SESSIONS + 1);
    }
}
