//! A session's settings: what SET, RESET and SHOW know, and the client is told when it changes.
//!
//! Settings that would change an answer can have the one value that answers are made with; the others are kept for
//! those who ask, and do nothing, except `statement_timeout`.

use std::collections::BTreeMap;
use std::time::Duration;

use super::errors::Refusal;
use crate::query::{SERVER_VERSION, SERVER_VERSION_NUMBER};

/// The longest value of a setting.
const MAX_VALUE_BYTES: usize = 4096;

/// A setting.
struct Setting {
    name: &'static str,
    default: &'static str,
    /// Whether the client is told without asking (PostgreSQL, "Asynchronous Operations").
    told: bool,
    rule: Rule,
}

/// What a setting can be.
enum Rule {
    /// Nobody sets it.
    Fixed,
    /// Anything; it is kept.
    Any,
    /// What these texts say, which is the default.
    Only(&'static [&'static str]),
    /// A time: a number of milliseconds, or one with a unit.
    Time,
}

const fn fixed(name: &'static str, default: &'static str) -> Setting {
    Setting { name, default, told: true, rule: Rule::Fixed }
}

const fn quiet(name: &'static str, default: &'static str, rule: Rule) -> Setting {
    Setting { name, default, told: false, rule }
}

const fn told(name: &'static str, default: &'static str, rule: Rule) -> Setting {
    Setting { name, default, told: true, rule }
}

const SETTINGS: [Setting; 33] = [
    fixed("server_version", SERVER_VERSION),
    fixed("server_encoding", "UTF8"),
    fixed("integer_datetimes", "on"),
    fixed("in_hot_standby", "off"),
    fixed("is_superuser", "off"),
    fixed("session_authorization", ""),
    quiet("server_version_num", SERVER_VERSION_NUMBER, Rule::Fixed),
    quiet("max_identifier_length", "63", Rule::Fixed),
    quiet("max_index_keys", "32", Rule::Fixed),
    quiet("lc_collate", "C", Rule::Fixed),
    quiet("lc_ctype", "C.UTF-8", Rule::Fixed),
    quiet("block_size", "8192", Rule::Fixed),
    told("application_name", "", Rule::Any),
    told("client_encoding", "UTF8", Rule::Only(&["utf8", "utf-8", "unicode"])),
    told(
        "DateStyle",
        "ISO, MDY",
        Rule::Only(&["iso", "iso, mdy", "iso,mdy", "iso, ymd", "iso, dmy", "iso,ymd", "iso,dmy"]),
    ),
    told("IntervalStyle", "postgres", Rule::Only(&["postgres"])),
    told(
        "TimeZone",
        "UTC",
        Rule::Only(&["utc", "etc/utc", "gmt", "etc/gmt", "z", "zulu", "universal", "+00", "+00:00", "0"]),
    ),
    told("standard_conforming_strings", "on", Rule::Only(&["on", "true", "1", "yes"])),
    told("default_transaction_read_only", "on", Rule::Any),
    quiet("transaction_read_only", "on", Rule::Any),
    quiet("default_transaction_isolation", "repeatable read", Rule::Any),
    quiet("transaction_isolation", "repeatable read", Rule::Any),
    quiet("search_path", "\"$user\", public", Rule::Any),
    quiet("extra_float_digits", "1", Rule::Any),
    quiet("bytea_output", "hex", Rule::Only(&["hex"])),
    quiet("client_min_messages", "notice", Rule::Any),
    quiet("statement_timeout", "0", Rule::Time),
    quiet("lock_timeout", "0", Rule::Any),
    quiet("idle_in_transaction_session_timeout", "0", Rule::Any),
    quiet("row_security", "on", Rule::Any),
    quiet("synchronize_seqscans", "on", Rule::Any),
    quiet("jit", "off", Rule::Any),
    quiet("geqo", "on", Rule::Any),
];

fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name.eq_ignore_ascii_case(name))
}

/// The settings of a session; those that stand at their default are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Values(BTreeMap<&'static str, String>);

/// The settings of a session and of its transaction.
#[derive(Debug, Default)]
pub(super) struct Settings {
    user: String,
    /// What the connection began with, which RESET goes back to.
    initial: Values,
    /// What lasts.
    session: Values,
    /// What holds now.
    now: Values,
    /// What lasted when the transaction began.
    before: Option<Values>,
}

impl Settings {
    pub(super) fn of_user(user: &str) -> Self {
        Self { user: user.to_owned(), ..Self::default() }
    }

    /// What a client asks for as it connects. A time zone or style that is not kept is answered by the one that is,
    /// which the client is told: drivers send that of their machine unasked.
    ///
    /// # Errors
    /// 22023 for an encoding that is not spoken.
    pub(super) fn begin(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        if find(name).is_none_or(|setting| matches!(setting.name, "TimeZone" | "DateStyle" | "IntervalStyle")) {
            return Ok(());
        }
        self.set(name, value, false)?;
        self.initial = self.session.clone();
        Ok(())
    }

    /// `SET name = value`, or `SET LOCAL`.
    ///
    /// # Errors
    /// 42704 for an unknown setting, 22023 for a value that it can't have, 55P02 for one that nobody sets.
    pub(super) fn set(&mut self, name: &str, value: &str, local: bool) -> Result<(), Refusal> {
        let Some(setting) = find(name) else {
            // Extensions' settings have a dot and are nobody's here; planner settings change no answer.
            if name.contains('.') || name.to_ascii_lowercase().starts_with("enable_") {
                return Ok(());
            }
            return Err(Refusal::new("42704", format!("there is no setting {name} here"))
                .with_hint("SHOW ALL lists the settings"));
        };
        let value = match &setting.rule {
            Rule::Fixed => return Err(Refusal::new("55P02", format!("the setting {} can't be changed", setting.name))),
            // The client is told settings in messages of at most 30000 bytes.
            Rule::Any if value.len() > MAX_VALUE_BYTES => {
                return Err(Refusal::new("22023", format!("a setting has at most {MAX_VALUE_BYTES} bytes")));
            }
            Rule::Any => value.replace('\0', ""),
            Rule::Only(texts) => {
                let plain = value.trim().to_ascii_lowercase();
                if !texts.contains(&plain.as_str()) {
                    let only = format!("the setting {} can be {} only, not `{value}`", setting.name, setting.default);
                    return Err(Refusal::new("22023", only));
                }
                setting.default.to_owned()
            }
            Rule::Time => {
                let wrong = || {
                    Refusal::new("22023", format!("`{value}` is no value of {}", setting.name))
                        .with_hint("write a number of milliseconds, or one with a unit: us, ms, s, min, h, d")
                };
                milliseconds(value).ok_or_else(wrong)?.to_string()
            }
        };
        self.now.0.insert(setting.name, value.clone());
        if !local {
            self.session.0.insert(setting.name, value);
        }
        Ok(())
    }

    /// `RESET name`, or `SET name TO DEFAULT`.
    ///
    /// # Errors
    /// 42704 for an unknown setting.
    pub(super) fn reset(&mut self, name: &str) -> Result<(), Refusal> {
        let Some(setting) = find(name) else {
            return Err(Refusal::new("42704", format!("there is no setting {name} here")));
        };
        for values in [&mut self.session, &mut self.now] {
            match self.initial.0.get(setting.name) {
                Some(value) => values.0.insert(setting.name, value.clone()),
                None => values.0.remove(setting.name),
            };
        }
        Ok(())
    }

    /// `RESET ALL`.
    pub(super) fn reset_all(&mut self) {
        self.session = self.initial.clone();
        self.now = self.initial.clone();
    }

    /// A transaction begins.
    pub(super) fn begin_transaction(&mut self) {
        self.before = Some(self.session.clone());
    }

    /// The transaction's SET lasts, its SET LOCAL does not.
    pub(super) fn commit(&mut self) {
        self.before = None;
        self.now = self.session.clone();
    }

    /// Nothing of the transaction lasts.
    pub(super) fn roll_back(&mut self) {
        if let Some(before) = self.before.take() {
            self.session = before;
        }
        self.now = self.session.clone();
    }

    /// `SHOW name`: the setting's own name and its value.
    ///
    /// # Errors
    /// 42704 for an unknown setting.
    pub(super) fn show(&self, name: &str) -> Result<(&'static str, String), Refusal> {
        let setting = find(name).ok_or_else(|| Refusal::new("42704", format!("there is no setting {name} here")))?;
        Ok((setting.name, self.value(setting)))
    }

    /// Every setting and its value.
    pub(super) fn all(&self) -> Vec<(&'static str, String)> {
        let mut all: Vec<_> = SETTINGS.iter().map(|setting| (setting.name, self.value(setting))).collect();
        all.sort_by_key(|(name, _)| name.to_ascii_lowercase());
        all
    }

    /// What a client is told without asking.
    pub(super) fn told(&self) -> Vec<(&'static str, String)> {
        SETTINGS.iter().filter(|setting| setting.told).map(|setting| (setting.name, self.value(setting))).collect()
    }

    /// How long a statement may take; `None` for as long as the server allows.
    pub(super) fn statement_timeout(&self) -> Option<Duration> {
        let millis: u64 = self.now.0.get("statement_timeout")?.parse().ok()?;
        (millis > 0).then(|| Duration::from_millis(millis))
    }

    fn value(&self, setting: &Setting) -> String {
        if setting.name == "session_authorization" {
            return self.user.clone();
        }
        self.now.0.get(setting.name).cloned().unwrap_or_else(|| setting.default.to_owned())
    }
}

/// Whether SHOW shows a setting of that name.
pub(super) fn is_setting(name: &str) -> bool {
    find(name).is_some()
}

fn milliseconds(text: &str) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let number: f64 = number.parse().ok()?;
    let factor = match unit.trim() {
        "us" => 0.001,
        "" | "ms" => 1.0,
        "s" => 1_000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    let millis = (number * factor).round();
    // PostgreSQL's largest.
    (0.0..=f64::from(i32::MAX)).contains(&millis).then_some(millis as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_keeps_its_settings_or_gives_them_back() {
        let mut settings = Settings::of_user("ann");
        settings.begin("application_name", "psql").unwrap();
        settings.begin_transaction();
        settings.set("application_name", "one", false).unwrap();
        settings.set("statement_timeout", "2s", true).unwrap();
        assert_eq!(settings.statement_timeout(), Some(Duration::from_secs(2)));
        settings.commit();
        assert_eq!(settings.statement_timeout(), None);
        assert_eq!(settings.show("APPLICATION_NAME").unwrap(), ("application_name", "one".to_owned()));
        settings.begin_transaction();
        settings.set("application_name", "two", false).unwrap();
        settings.roll_back();
        assert_eq!(settings.show("application_name").unwrap().1, "one");
        settings.reset("application_name").unwrap();
        assert_eq!(settings.show("application_name").unwrap().1, "psql");
    }

    #[test]
    fn what_would_change_answers_has_one_value() {
        let mut settings = Settings::of_user("ann");
        settings.set("timezone", "Etc/UTC", false).unwrap();
        settings.set("datestyle", "ISO, MDY", false).unwrap();
        for (name, value) in [("TimeZone", "Europe/Berlin"), ("client_encoding", "LATIN1"), ("DateStyle", "German")] {
            assert!(settings.set(name, value, false).is_err(), "{name}");
        }
        assert!(settings.set("server_version", "9", false).is_err());
        assert!(settings.set("nonsense", "1", false).is_err());
        // Drivers send their machine's zone as they connect.
        settings.begin("TimeZone", "Europe/Berlin").unwrap();
        assert_eq!(settings.show("TimeZone").unwrap().1, "UTC");
    }

    #[rstest::rstest]
    #[case("0", Some(0))]
    #[case("1500", Some(1500))]
    #[case("1.5s", Some(1500))]
    #[case("2 min", Some(120_000))]
    #[case("-1", None)]
    #[case("soon", None)]
    fn times_have_units(#[case] text: &str, #[case] expected: Option<u64>) {
        assert_eq!(milliseconds(text), expected);
    }
}
