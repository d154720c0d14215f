//! Someone who was let in.

use std::sync::Arc;

use super::role::{Role, Roles};
use crate::error::{Error, ErrorKind, Result};

/// Someone who was let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    name: Option<Arc<str>>,
    roles: Roles,
}

impl Principal {
    /// A user or token of the configuration.
    pub fn new(name: &str, roles: Roles) -> Self {
        Self { name: Some(name.into()), roles }
    }

    /// Nobody in particular, who may do all: whoever reaches a loopback address where no credentials are configured.
    pub const fn local() -> Self {
        Self { name: None, roles: Roles::ALL }
    }

    /// The name, which becomes `ingest_principal` of what it sends; `None` without credentials.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// What it was given.
    pub const fn roles(&self) -> Roles {
        self.roles
    }

    /// Whether it may do what `role` does.
    pub const fn may(&self, role: Role) -> bool {
        self.roles.allow(role)
    }

    /// Refuses it what it may not do.
    ///
    /// # Errors
    /// `Forbidden`, naming the role it lacks.
    pub fn require(&self, role: Role) -> Result<()> {
        if self.may(role) {
            return Ok(());
        }
        let who = self.name().unwrap_or("nobody");
        Err(Error::new(ErrorKind::Forbidden, format!("`{who}` lacks the role `{role}` that this needs")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_allows_itself_and_admin_allows_all() {
        let reader = Principal::new("ann", [Role::Query].into_iter().collect());
        assert!(reader.may(Role::Query) && !reader.may(Role::Ingest) && !reader.may(Role::Admin));
        let refused = reader.require(Role::Maintain).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Forbidden);
        assert!(refused.message().contains("maintain"), "{refused}");
        let admin = Principal::new("root", [Role::Admin].into_iter().collect());
        assert!(Role::ALL.into_iter().all(|role| admin.may(role) && Principal::local().may(role)));
    }
}
