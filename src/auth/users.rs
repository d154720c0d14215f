//! The configured users and tokens, and the check of what a client shows.
//!
//! An unknown name takes the same way as a wrong secret: a decoy is computed for as long, and the answer is the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use pgwire::api::auth::sasl::scram::ScramSecret;
use serde_json::{Value, json};

use super::lane::{Checks, Lanes, Proven};
use super::principal::Principal;
use super::role::Roles;
use super::scram::ScramVerifier;
use super::secret::{DigestKey, random};
use super::token::{self, TokenHash};
use crate::error::{Error, ErrorKind, Result};
use crate::model::ids::hex;

/// The longest password or token that is looked at.
const MAX_SECRET_BYTES: usize = 1024;

/// The longest name of a user or token: PostgreSQL's.
const MAX_NAME_BYTES: usize = 63;

/// What a session's token begins with.
const SESSION: &str = "tss_";

/// Someone with a password.
#[derive(Debug, Clone)]
pub struct User {
    /// The name to log in with, and the `ingest_principal` of what it sends.
    pub name: String,
    /// What its password is checked against.
    pub scram: ScramVerifier,
    /// What it may do.
    pub roles: Roles,
}

/// A program with a token.
#[derive(Debug, Clone)]
pub struct Token {
    /// The name that the token carries, and the `ingest_principal` of what its holder sends.
    pub name: String,
    /// What the token is checked against.
    pub hash: TokenHash,
    /// What its holder may do.
    pub roles: Roles,
}

/// The users and tokens of the configuration.
#[derive(Default)]
pub struct Users(Option<Configured>);

struct Configured {
    users: BTreeMap<String, Holder<ScramVerifier>>,
    tokens: BTreeMap<String, Holder<TokenHash>>,
    /// For what is proven in this process.
    memory: DigestKey,
    /// For decoys, which must be the same after a restart, as verifiers are.
    decoys: DigestKey,
    no_token: TokenHash,
    lanes: Lanes,
    checks: Checks,
}

struct Holder<V> {
    principal: Principal,
    verifier: V,
    proven: Arc<Proven>,
}

impl<V> Holder<V> {
    fn new(name: &str, roles: Roles, verifier: V) -> Self {
        Self { principal: Principal::new(name, roles), verifier, proven: Arc::default() }
    }
}

/// What PostgreSQL's handshake is made with.
#[derive(Debug)]
pub struct ScramLogin {
    /// What the client's proof is checked against.
    pub secret: ScramSecret,
    /// Who a client is whose proof is right; `None` for a name that is not known, which nobody's is.
    pub principal: Option<Principal>,
}

impl Users {
    /// No credentials: whoever comes is [`Principal::local`].
    pub fn none() -> Self {
        Self::default()
    }

    /// These, or none.
    ///
    /// # Errors
    /// `Config` for a name that can't be one or is there twice, or where the system has no random numbers.
    pub fn new(users: Vec<User>, tokens: Vec<Token>) -> Result<Self> {
        if users.is_empty() && tokens.is_empty() {
            return Ok(Self::none());
        }
        let mut names = BTreeSet::new();
        for name in users.iter().map(|user| &user.name).chain(tokens.iter().map(|token| &token.name)) {
            check_name(name)?;
            if !names.insert(name) {
                return Err(Error::config(format!(
                    "`{name}` is there twice in [auth]; users and tokens share their names"
                )));
            }
        }
        let keys: Vec<String> = users.iter().map(|user| user.scram.to_line()).collect();
        let decoys = match keys.as_slice() {
            [] => DigestKey::random()?,
            keys => DigestKey::of(keys.iter().map(String::as_bytes)),
        };
        let no_token = TokenHash::decoy(tokens.first().map(|token| &token.hash), &random()?)?;
        let user = |user: User| (user.name.clone(), Holder::new(&user.name, user.roles, user.scram));
        let token = |token: Token| (token.name.clone(), Holder::new(&token.name, token.roles, token.hash));
        Ok(Self(Some(Configured {
            users: users.into_iter().map(user).collect(),
            tokens: tokens.into_iter().map(token).collect(),
            memory: DigestKey::random()?,
            decoys,
            no_token,
            lanes: Lanes::default(),
            checks: Checks::default(),
        })))
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The user of that name and password.
    ///
    /// # Errors
    /// `Unauthenticated`, the same for an unknown name and a wrong password; `Unavailable` where too many wrong ones
    /// of that name wait to be checked.
    pub async fn by_password(&self, name: &str, password: &str) -> Result<Principal> {
        let wrong = || Error::new(ErrorKind::Unauthenticated, "the name or the password is wrong");
        let configured = self.0.as_ref().ok_or_else(wrong)?;
        if password.len() > MAX_SECRET_BYTES {
            return Err(wrong());
        }
        let (verifier, proven, principal) = match configured.users.get(name) {
            Some(user) => (user.verifier.clone(), Arc::clone(&user.proven), Some(&user.principal)),
            None => (configured.decoy(name), Arc::default(), None),
        };
        let lane = configured.lanes.of(&configured.memory.digest([&b"user"[..], name.as_bytes()]));
        let (digest, expected) = (configured.digest(password), configured.memory.digest([verifier.stored_key()]));
        let (password, memory) = (password.to_owned(), configured.memory.clone());
        let fits = move || Ok(memory.digest([verifier.stored_key_of(&password)?.as_slice()]) == expected);
        let right = lane.check(&proven, digest, &configured.checks, fits).await?;
        principal.filter(|_| right).cloned().ok_or_else(wrong)
    }

    /// The holder of that token: one of the configuration, or of a session.
    ///
    /// # Errors
    /// `Unauthenticated`, the same for an unknown token and a wrong one; `Unavailable` where too many wrong ones of
    /// that name wait to be checked.
    pub async fn by_token(&self, token: &str) -> Result<Principal> {
        let wrong = || Error::new(ErrorKind::Unauthenticated, "the token is not one of this server's");
        let configured = self.0.as_ref().ok_or_else(wrong)?;
        if token.len() > MAX_SECRET_BYTES {
            return Err(wrong());
        }
        if let Some(session) = token.strip_prefix(SESSION) {
            return configured.by_session(session).ok_or_else(wrong);
        }
        let name = token::name_of(token).unwrap_or_default();
        let (verifier, proven, principal) = match configured.tokens.get(name) {
            Some(holder) => (&holder.verifier, Arc::clone(&holder.proven), Some(&holder.principal)),
            None => (&configured.no_token, Arc::default(), None),
        };
        let lane = configured.lanes.of(&configured.memory.digest([&b"token"[..], name.as_bytes()]));
        let (digest, verifier, token) = (configured.digest(token), verifier.clone(), token.to_owned());
        let right = lane.check(&proven, digest, &configured.checks, move || Ok(verifier.fits(&token))).await?;
        principal.filter(|_| right).cloned().ok_or_else(wrong)
    }

    /// A token that [`by_token`](Self::by_token) takes for someone who was let in, until the program ends.
    ///
    /// # Errors
    /// `Unauthenticated` for nobody in particular.
    pub fn session(&self, principal: &Principal) -> Result<String> {
        let (Some(configured), Some(name)) = (&self.0, principal.name()) else {
            return Err(Error::new(ErrorKind::Unauthenticated, "a session needs a name; show credentials"));
        };
        Ok(format!("{SESSION}{name}_{}", configured.session_of(name)))
    }

    /// What the handshake of a user begins with; a name that is not known has a decoy, always the same one.
    pub fn scram(&self, name: &str) -> Option<ScramLogin> {
        let configured = self.0.as_ref()?;
        Some(match configured.users.get(name) {
            Some(user) => ScramLogin { secret: user.verifier.secret(), principal: Some(user.principal.clone()) },
            None => ScramLogin { secret: configured.decoy(name).secret(), principal: None },
        })
    }

    /// The names and their roles, for people.
    pub fn described(&self) -> Value {
        let Some(configured) = &self.0 else { return Value::Null };
        let roles = |principal: &Principal| json!(principal.roles().iter().map(|role| role.name()).collect::<Vec<_>>());
        let users = configured.users.iter().map(|(name, user)| (name.clone(), roles(&user.principal)));
        let tokens = configured.tokens.iter().map(|(name, token)| (name.clone(), roles(&token.principal)));
        json!({ "users": users.collect::<Value>(), "tokens": tokens.collect::<Value>() })
    }
}

impl Configured {
    fn digest(&self, secret: &str) -> [u8; 32] {
        self.memory.digest([&b"secret"[..], secret.as_bytes()])
    }

    fn session_of(&self, name: &str) -> String {
        hex(&self.memory.digest([&b"session"[..], name.as_bytes()]))
    }

    fn by_session(&self, session: &str) -> Option<Principal> {
        let (name, digits) = session.rsplit_once('_')?;
        let principal = match (self.users.get(name), self.tokens.get(name)) {
            (Some(user), _) => &user.principal,
            (None, Some(token)) => &token.principal,
            (None, None) => return None,
        };
        (self.digest(&self.session_of(name)) == self.digest(digits)).then(|| principal.clone())
    }

    /// What stands for a name that is not known, such that nobody can tell.
    fn decoy(&self, name: &str) -> ScramVerifier {
        let [salt, key, choice] =
            [&b"salt"[..], b"key", b"choice"].map(|what| self.decoys.digest([what, name.as_bytes()]));
        let number = usize::from(u16::from_le_bytes([choice[0], choice[1]])) % self.users.len().max(1);
        ScramVerifier::decoy(self.users.values().nth(number).map(|user| &user.verifier), &salt, &key)
    }
}

/// Refuses a name that some protocol could not carry.
///
/// # Errors
/// `Config`, saying what a name is.
pub fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '+');
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.chars().all(plain) {
        return Err(Error::config(format!(
            "`{name}` can't be the name of a user or token; take 1 to {MAX_NAME_BYTES} letters, digits and . _ - @ +"
        )));
    }
    Ok(())
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Users({})", self.described())
    }
}

#[cfg(test)]
mod tests {
    use super::super::role::Role;
    use super::super::token::NewToken;
    use super::*;

    /// `pencil`, of RFC 7677.
    const PENCIL: &str = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
                          WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

    fn users() -> (Users, String) {
        let made = NewToken::named("edge").unwrap();
        let ann =
            User { name: "ann".into(), scram: PENCIL.parse().unwrap(), roles: [Role::Query].into_iter().collect() };
        let edge = Token {
            name: "edge".into(),
            hash: made.hash.parse().unwrap(),
            roles: [Role::Ingest].into_iter().collect(),
        };
        (Users::new(vec![ann], vec![edge]).unwrap(), made.token)
    }

    #[tokio::test]
    async fn the_right_secret_lets_in_and_all_others_are_refused_alike() {
        let (users, token) = users();
        for _ in 0..2 {
            let ann = users.by_password("ann", "pencil").await.unwrap();
            assert!(ann.name() == Some("ann") && ann.may(Role::Query) && !ann.may(Role::Ingest));
            let edge = users.by_token(&token).await.unwrap();
            assert!(edge.name() == Some("edge") && edge.may(Role::Ingest) && !edge.may(Role::Query));
        }
        let long = "x".repeat(MAX_SECRET_BYTES + 1);
        let mut said = BTreeSet::new();
        for (name, password) in [("ann", "pencils"), ("ann", ""), ("bob", "pencil"), ("edge", &token), ("ann", &long)] {
            let refused = users.by_password(name, password).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Unauthenticated);
            said.insert(refused.to_string());
        }
        assert_eq!(said.len(), 1, "{said:?}");
        let other = NewToken::named("edge").unwrap().token;
        let unknown = token.replace("edge", "ledge");
        let mut said = BTreeSet::new();
        for token in [other.as_str(), &unknown, &token[..token.len() - 1], "", "pencil", "tss_ann_00", "tss_", &long] {
            let refused = users.by_token(token).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Unauthenticated);
            said.insert(refused.to_string());
        }
        assert_eq!(said.len(), 1, "{said:?}");
    }

    #[tokio::test]
    async fn a_session_is_its_holders_and_of_this_process() {
        let (users, _) = users();
        let ann = users.by_password("ann", "pencil").await.unwrap();
        let session = users.session(&ann).unwrap();
        assert_eq!(users.by_token(&session).await.unwrap(), ann);
        assert!(users.by_token(&session.replace("ann", "edge")).await.is_err());
        assert!(self::users().0.by_token(&session).await.is_err(), "another process has another key");
        assert!(users.session(&Principal::local()).is_err());
    }

    #[test]
    fn a_name_that_is_not_known_has_always_the_same_handshake() {
        let (one, two) = (users().0, users().0);
        let salt = |users: &Users, name| match users.scram(name).unwrap().secret {
            ScramSecret::Verifier { salt, iterations, .. } => (salt, iterations),
            ScramSecret::SaltedPassword { .. } => panic!("no verifier"),
        };
        assert_eq!(salt(&one, "bob"), salt(&two, "bob"));
        assert_ne!(salt(&one, "bob").0, salt(&one, "eve").0);
        let known = salt(&one, "ann");
        assert_eq!((known.0.len(), known.1), (salt(&one, "bob").0.len(), salt(&one, "bob").1));
        assert!(one.scram("bob").unwrap().principal.is_none());
        assert_eq!(one.scram("ann").unwrap().principal.unwrap().name(), Some("ann"));
        assert!(Users::none().scram("ann").is_none());
    }

    #[test]
    fn names_are_one_persons_and_nothing_secret_shows() {
        let (users, token) = users();
        let shown = format!("{users:?} {}", users.described());
        assert!(shown.contains("ann") && shown.contains("ingest"), "{shown}");
        assert!(!shown.contains(&token) && !shown.contains("WG5d") && !shown.contains("argon2"), "{shown}");
        let ann = || User { name: "ann".into(), scram: PENCIL.parse().unwrap(), roles: Roles::default() };
        assert!(Users::new(vec![ann(), ann()], Vec::new()).unwrap_err().message().contains("twice"));
        assert!(Users::new(vec![User { name: "a:b".into(), ..ann() }], Vec::new()).is_err());
        assert!(Users::new(Vec::new(), Vec::new()).unwrap().is_empty());
    }
}
