//! In which form a trace is wanted.
//!
//! `application/json` is the document. OTLP/JSON has no media type of its own: OTLP/HTTP sends it as `application/json`
//! too, so here it has a name beside it. Protobuf goes by the name that OTLP/HTTP gives it, or by the one that Tempo's
//! clients use.

use axum::http::{HeaderMap, StatusCode};

use super::super::accept::liked;
use super::super::problem::Problem;

const OTLP_JSON: &str = "application/vnd.opentelemetry.otlp+json";

/// A form of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The document.
    Document,
    /// OTLP/JSON.
    OtlpJson,
    /// OTLP, protobuf, under one of its names.
    OtlpProto(&'static str),
}

impl Form {
    /// The form that the `Accept` headers like best; the document where they leave it open.
    pub(super) fn accepted(headers: &HeaderMap) -> Result<Self, Problem> {
        let Some(asked) = liked(headers) else { return Ok(Self::Document) };
        asked.iter().find_map(|name| Self::named(name)).ok_or_else(|| {
            let detail = format!("accept application/json, application/x-protobuf or {OTLP_JSON}");
            Problem::of_status(StatusCode::NOT_ACCEPTABLE, detail)
        })
    }

    fn named(name: &str) -> Option<Self> {
        match name {
            "*/*" | "application/*" | "application/json" => Some(Self::Document),
            "application/x-protobuf" => Some(Self::OtlpProto("application/x-protobuf")),
            "application/protobuf" => Some(Self::OtlpProto("application/protobuf")),
            OTLP_JSON => Some(Self::OtlpJson),
            _ => None,
        }
    }

    /// What the answer says it is.
    pub(super) const fn media_type(self) -> &'static str {
        match self {
            Self::Document => "application/json",
            Self::OtlpJson => OTLP_JSON,
            Self::OtlpProto(name) => name,
        }
    }
}
