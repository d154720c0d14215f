//! What a person wants gone.

use crate::erasure::SecretValue;
use crate::error::{Error, Result};
use crate::model::signal::Signal;

/// A request for erasure.
#[derive(Debug, Clone)]
pub struct EraseRequest {
    /// Which rows.
    pub what: EraseWhat,
    /// What goes with them.
    pub scope: EraseScope,
    /// Why, in a person's words; it goes into the ledger.
    pub reason: Option<String>,
}

/// Which rows are erased.
#[derive(Debug, Clone)]
pub enum EraseWhat {
    /// Rows that have this value under this key, in any of their maps, nested ones too.
    Attribute {
        /// The attribute's name.
        key: String,
        /// Its value, as the maps have it: text.
        value: SecretValue,
        /// Also rows in whose texts, keys or values of maps the value is found anywhere.
        also_body: bool,
    },
    /// Rows of which a condition in SQL is true.
    Where {
        /// The condition, as after WHERE. It may name what is to be erased, so it is as secret as that.
        condition: SecretValue,
        /// One table only.
        table: Option<Signal>,
    },
}

/// What goes with the rows that match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EraseScope {
    /// Nothing else.
    #[default]
    Record,
    /// Every span and log of their traces.
    Trace,
}

impl EraseScope {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Record => "record",
            Self::Trace => "trace",
        }
    }

    /// The scope of a name.
    ///
    /// # Errors
    /// `Invalid` where there is none.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "record" => Ok(Self::Record),
            "trace" => Ok(Self::Trace),
            // Not repeated: who mistook one flag for another may have put the value here.
            _ => Err(Error::invalid("the scope is `record` or `trace`")),
        }
    }
}

impl EraseRequest {
    /// What the ledger and reports call it: never the value, never a condition.
    pub fn describe(&self) -> String {
        let what = match &self.what {
            EraseWhat::Attribute { key, also_body: false, .. } => format!("attribute {key}"),
            EraseWhat::Attribute { key, also_body: true, .. } => format!("attribute {key}, and its value in text"),
            EraseWhat::Where { table: None, .. } => "a condition".to_owned(),
            EraseWhat::Where { table: Some(table), .. } => format!("a condition on {table}"),
        };
        match self.scope {
            EraseScope::Record => what,
            EraseScope::Trace => format!("{what}, with whole traces"),
        }
    }

    /// Refuses what can't be meant.
    ///
    /// # Errors
    /// `Invalid`; the message has no value in it.
    pub fn validate(&self) -> Result<()> {
        let (secret, what) = match &self.what {
            EraseWhat::Attribute { key, value, .. } => {
                if key.is_empty() {
                    return Err(Error::invalid("the attribute has no name; write --attribute user.id=VALUE"));
                }
                if key.contains(value.expose()) && !value.expose().is_empty() {
                    return Err(Error::invalid(
                        "the attribute's name has the value in it, and names are kept; use --where",
                    ));
                }
                (value, "value")
            }
            EraseWhat::Where { condition, .. } => (condition, "condition"),
        };
        if secret.expose().trim().is_empty() {
            return Err(Error::invalid(format!("the {what} is empty: that would be rows that nobody has named")));
        }
        if self.reason.as_ref().is_some_and(|reason| reason.contains(secret.expose())) {
            return Err(Error::invalid(format!(
                "the reason has the {what} in it, and the ledger is kept; say it in other words"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(key: &str, value: &str, reason: Option<&str>) -> EraseRequest {
        EraseRequest {
            what: EraseWhat::Attribute {
                key: key.to_owned(),
                value: SecretValue::new(value.to_owned()),
                also_body: true,
            },
            scope: EraseScope::Trace,
            reason: reason.map(str::to_owned),
        }
    }

    #[test]
    fn a_request_that_is_kept_has_no_value_in_it() {
        assert!(attribute("user.id", "u42", Some("ticket 7")).validate().is_ok());
        for refused in [
            attribute("", "u42", None),
            attribute("user.id", "", None),
            attribute("user.id", " ", None),
            attribute("user.u42.flag", "u42", None),
            attribute("user.id", "u42", Some("u42 has asked")),
        ] {
            let error = refused.validate().unwrap_err().to_string();
            assert!(!error.contains("u42"), "{error}");
        }
        let request = attribute("user.id", "u42", None);
        assert!(!format!("{request:?}{}", request.describe()).contains("u42"));
    }
}
