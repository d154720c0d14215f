//! The configuration in effect, as `config show --json` and `GET /v1/config` tell it.
//!
//! Values are what came of the layers: durations and sizes in one form, paths absolute, so that two configurations
//! can be compared. Passwords in URLs are left out.

use std::num::NonZeroU64;

use serde_json::{Map, Value, json};
use url::Url;

use super::keys::KEYS;
use super::layers::Layers;
use super::settings::{Config, UNLIMITED};

/// `{"settings": {key: {"value": ..., "from": ...}}, "promoted": {name: expression}, "auth": {"users": {name: [role]},
/// "tokens": {name: [role]}}, "retention": [rule], "hold": [hold]}`; `auth` is NULL where nobody is configured.
pub(super) fn describe(layers: &Layers, config: &Config) -> Value {
    let settings: Map<String, Value> = KEYS
        .iter()
        .map(|key| {
            let from = layers.get(key.path).map_or_else(|| "default".to_owned(), |(_, origin)| origin.to_string());
            (key.path.to_owned(), json!({ "value": effective(key.path, layers, config), "from": from }))
        })
        .collect();
    let promoted: Map<String, Value> =
        config.ingest.promoted.iter().map(|promoted| (promoted.name.clone(), json!(promoted.comment()))).collect();
    json!({
        "settings": settings,
        "promoted": promoted,
        "auth": config.users.described(),
        "retention": config.retention.described(),
        "hold": config.retention.holds.described(),
    })
}

fn effective(key: &str, layers: &Layers, config: &Config) -> Value {
    let duration = |duration| json!(humantime::format_duration(duration).to_string());
    let limit = |limit: Option<u64>| limit.map_or_else(|| json!(UNLIMITED), |limit| json!(limit));
    match key {
        "lake" => json!(config.lake.display()),
        "wal" => json!(absolute(&config.wal)),
        "memory_limit" => json!(config.memory_limit),
        "flush.age" => duration(config.ingest.flush_age),
        "flush.bytes" => json!(config.ingest.flush_bytes),
        "ingest.max_future" => duration(config.ingest.max_future),
        "ingest.max_request_bytes" => json!(config.max_request_bytes),
        "ingest.repeat_window" => duration(config.ingest.wal.repeat_window),
        "ingest.wal_max_bytes" => json!(config.ingest.wal.max_bytes),
        "compaction.target_bytes" => json!(config.compaction.target_bytes),
        "maintenance.enabled" => json!(config.maintenance.enabled),
        "maintenance.cpu_threads" => json!(config.maintenance.cpu_threads),
        "maintenance.io_bytes_per_second" => limit(config.maintenance.io_bytes_per_second.map(NonZeroU64::get)),
        "maintenance.interval" => duration(config.maintenance.interval),
        "maintenance.log_retention" => duration(config.housekeeping.log_retention),
        "vacuum.grace" => duration(config.housekeeping.grace),
        "query.max_memory" => json!(config.query.max_memory),
        "query.max_time" => duration(config.query.max_time),
        "query.max_rows" => limit(config.query.max_rows),
        "query.max_scan_bytes" => limit(config.query.max_scan_bytes),
        "query.span_slack" => duration(config.query.span_slack),
        _ => layers.get(key).map_or(Value::Null, |(value, _)| match value {
            toml::Value::String(text) => json!(without_secrets(text)),
            other => json!(other.to_string()),
        }),
    }
}

fn absolute(path: &std::path::Path) -> String {
    let absolute = path.canonicalize().or_else(|_| std::path::absolute(path));
    absolute.unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// A URL without the name and password in it.
fn without_secrets(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return text.to_owned() };
    if url.username().is_empty() && url.password().is_none() {
        return text.to_owned();
    }
    match (url.set_username(""), url.set_password(None)) {
        (Ok(()), Ok(())) => url.to_string(),
        _ => format!("{}:...", url.scheme()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_settings_look_equal_and_secrets_do_not_show() {
        let described = |age: &str, lake: &str| {
            let mut layers = Layers::load(None, |_| None).unwrap();
            layers.set_flag("flush.age", Some(age));
            layers.set_flag("lake", Some(lake));
            layers.set_flag("memory_limit", Some("1 GiB"));
            Config::from_layers(&layers).unwrap().described
        };
        assert_eq!(described("60s", "./a/../b"), described("1m", "b"));
        assert_ne!(described("60s", "b"), described("61s", "b"));
        assert_eq!(without_secrets("s3://key:secret@bucket/lake"), "s3://bucket/lake");
        assert_eq!(without_secrets("127.0.0.1:4317"), "127.0.0.1:4317");
    }

    #[test]
    fn every_key_has_a_value() {
        let config = Config::from_layers(&Layers::load(None, |_| None).unwrap()).unwrap();
        // Which endpoint stands where none is set is the provider's matter; a folder of views or TLS is not needed.
        let unset = ["store.endpoint", "query.views", "tls.certificate", "tls.key"];
        for key in KEYS.iter().filter(|key| !unset.contains(&key.path)) {
            assert!(!config.described["settings"][key.path]["value"].is_null(), "{}", key.path);
        }
    }
}
