//! The one error that leaves a module for a person or a client.
//!
//! Modules keep precise `thiserror` enums of their own and turn them into [`Error`] at their door. The kind says
//! what to do; one `match` for each protocol maps it, so that no two protocols disagree.

use std::fmt;

/// What the one who meets the error should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Send it again later: the store is full, starting, stopping or out of reach.
    Unavailable,
    /// Mend the request: it can never succeed as it is.
    Invalid,
    /// Send less at once.
    TooLarge,
    /// The thing named does not exist.
    NotFound,
    /// The thing named is there already, or is another's: choose another name.
    Conflict,
    /// Show credentials, or others.
    Unauthenticated,
    /// Ask someone who may, or for the role.
    Forbidden,
    /// The query hit one of its budgets: narrow it, or raise the budget.
    BudgetExceeded,
    /// Somebody stopped it: ask again if it is still wanted.
    Cancelled,
    /// Mend the configuration or the machine.
    Config,
    /// Repair or restore the data.
    Damaged,
    /// Report a bug.
    Internal,
}

impl ErrorKind {
    /// The kind's name in `type` of a problem and in the metrics. Clients may rely on it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unavailable => "unavailable",
            Self::Invalid => "invalid",
            Self::TooLarge => "too_large",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::BudgetExceeded => "budget_exceeded",
            Self::Cancelled => "cancelled",
            Self::Config => "config",
            Self::Damaged => "damaged",
            Self::Internal => "internal",
        }
    }

    /// The SQLSTATE that tells a client the same (PostgreSQL, appendix A).
    pub const fn sqlstate(self) -> &'static str {
        match self {
            // cannot_connect_now
            Self::Unavailable => "57P03",
            // syntax_error_or_access_rule_violation
            Self::Invalid => "42000",
            // program_limit_exceeded
            Self::TooLarge => "54000",
            // undefined_object
            Self::NotFound => "42704",
            // duplicate_object
            Self::Conflict => "42710",
            // invalid_password
            Self::Unauthenticated => "28P01",
            // insufficient_privilege
            Self::Forbidden => "42501",
            // configuration_limit_exceeded
            Self::BudgetExceeded => "53400",
            // query_canceled
            Self::Cancelled => "57014",
            // config_file_error
            Self::Config => "F0000",
            // data_corrupted
            Self::Damaged => "XX001",
            // internal_error
            Self::Internal => "XX000",
        }
    }

    /// The HTTP status that tells a client the same.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Unavailable => 503,
            Self::Invalid => 400,
            Self::TooLarge => 413,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::Unauthenticated => 401,
            Self::Forbidden => 403,
            Self::BudgetExceeded => 422,
            // nginx's "client closed request": no registered status says that a request was withdrawn.
            Self::Cancelled => 499,
            Self::Config | Self::Damaged | Self::Internal => 500,
        }
    }

    /// The gRPC status that tells a client the same.
    pub const fn grpc_code(self) -> tonic::Code {
        match self {
            Self::Unavailable => tonic::Code::Unavailable,
            Self::Invalid => tonic::Code::InvalidArgument,
            Self::TooLarge | Self::BudgetExceeded => tonic::Code::ResourceExhausted,
            Self::NotFound => tonic::Code::NotFound,
            Self::Conflict => tonic::Code::AlreadyExists,
            Self::Unauthenticated => tonic::Code::Unauthenticated,
            Self::Forbidden => tonic::Code::PermissionDenied,
            Self::Cancelled => tonic::Code::Cancelled,
            // Not DATA_LOSS: an OTLP client would retry that.
            Self::Config | Self::Damaged => tonic::Code::FailedPrecondition,
            Self::Internal => tonic::Code::Internal,
        }
    }

    /// The title of the problem, the same words everywhere.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Unavailable => "try again later",
            Self::Invalid => "the request is not valid",
            Self::TooLarge => "the request is too large",
            Self::NotFound => "not found",
            Self::Conflict => "already there",
            Self::Unauthenticated => "credentials are needed",
            Self::Forbidden => "not allowed",
            Self::BudgetExceeded => "a query budget was exceeded",
            Self::Cancelled => "the query was cancelled",
            Self::Config => "the configuration does not work",
            Self::Damaged => "stored data is damaged",
            Self::Internal => "this is a bug",
        }
    }
}

/// A failure, said for the person who meets it.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    position: Option<Position>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A place in a query, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Line of the query text.
    pub line: u64,
    /// Column within the line, in characters.
    pub column: u64,
}

/// A result with this crate's error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of a kind; the message is lower case, names the thing and ends with the next step.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), position: None, source: None }
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error with the place in the query it is about.
    #[must_use]
    pub fn with_position(mut self, position: Option<Position>) -> Self {
        self.position = position;
        self
    }

    /// The request can never succeed as it is.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// The configuration or the machine must be mended.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// Something that should not be possible.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The store can't do it now.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// What to do about it.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message without its causes.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The place in the query, where the error is about one.
    pub const fn position(&self) -> Option<Position> {
        self.position
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.message.clone();
        let mut cause = self.source.as_deref().map(|source| source as &dyn std::error::Error);
        while let Some(error) = cause {
            let text = error.to_string();
            // Many libraries repeat their cause in their own message.
            if !said.contains(text.trim()) {
                said.push_str(": ");
                said.push_str(&text);
            }
            cause = error.source();
        }
        f.write_str(&said)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn std::error::Error + 'static))
    }
}
