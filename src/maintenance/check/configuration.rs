//! A running server's configuration held against the one at hand.

use serde_json::Value;

use super::finding::{Code, Finding};

/// Holds what `GET /v1/config` answered against what this configuration would answer, both as
/// [`Config::described`](crate::config::Config::described) has them.
///
/// A setting that the server has from a flag was set for that run; any other that differs is drift.
pub fn compare_configuration(ours: &Value, servers: &Value) -> Vec<Finding> {
    let mut findings = Vec::new();
    for place in ["lake", "wal"] {
        let (ours, servers) = (setting(ours, place), setting(servers, place));
        if ours.0 != servers.0 {
            let meaning = format!("the server's is {}, and the one checked is {}", servers.0, ours.0);
            findings.push(Finding::new(Code::ServerElsewhere, place, meaning));
        }
    }
    let Some(settings) = ours.get("settings").and_then(Value::as_object) else { return findings };
    for key in settings.keys().filter(|key| *key != "lake" && *key != "wal") {
        let (ours, (servers, from)) = (setting(ours, key).0, setting(servers, key));
        if *ours == *servers {
            continue;
        }
        let code = if from == "flag" { Code::ConfigByFlag } else { Code::ConfigDiffers };
        let meaning = format!("the server has {servers} (from {from}), and this configuration {ours}");
        findings.push(Finding::new(code, key, meaning));
    }
    let promoted = |config: &Value| config.get("promoted").cloned().unwrap_or_default();
    if promoted(ours) != promoted(servers) {
        let names = |config: &Value| {
            let columns = promoted(config);
            let columns = columns
                .as_object()
                .map(|columns| columns.iter().map(|(name, from)| format!("{name}: {from}")).collect::<Vec<_>>());
            columns.unwrap_or_default()
        };
        let (ours, servers) = (names(ours), names(servers));
        let missing = |these: &[String], those: &[String]| {
            let missing: Vec<&str> =
                these.iter().filter(|column| !those.contains(column)).map(String::as_str).collect();
            if missing.is_empty() { "nothing".to_owned() } else { missing.join(", ") }
        };
        let meaning = format!(
            "the server alone promotes {}, and this configuration alone {}",
            missing(&servers, &ours),
            missing(&ours, &servers)
        );
        findings.push(Finding::new(Code::ConfigDiffers, "promoted", meaning));
    }
    findings
}

/// A setting's value, and where it came from.
fn setting<'a>(config: &'a Value, key: &str) -> (&'a Value, &'a str) {
    let setting = config.get("settings").and_then(|settings| settings.get(key));
    let part = |name| setting.and_then(|setting| setting.get(name));
    (part("value").unwrap_or(&Value::Null), part("from").and_then(Value::as_str).unwrap_or("an unknown place"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_flag_set_is_a_note_and_what_a_file_set_is_drift() {
        let config = |lake: &str, age: (&str, &str), http: (&str, &str)| {
            json!({
                "settings": {
                    "lake": { "value": lake, "from": "flag" },
                    "wal": { "value": "/wal", "from": "default" },
                    "flush.age": { "value": age.0, "from": age.1 },
                    "http": { "value": http.0, "from": http.1 },
                },
                "promoted": {},
            })
        };
        let ours = config("/lake", ("60s", "default"), ("127.0.0.1:8710", "default"));
        assert_eq!(compare_configuration(&ours, &ours), []);
        let servers = config("/other", ("5s", "telestrata.toml"), ("127.0.0.1:0", "flag"));
        let found: Vec<_> =
            compare_configuration(&ours, &servers).into_iter().map(|finding| (finding.code, finding.path)).collect();
        let expected =
            [(Code::ServerElsewhere, "lake"), (Code::ConfigDiffers, "flush.age"), (Code::ConfigByFlag, "http")];
        assert_eq!(found, expected.map(|(code, path)| (code, path.to_owned())));
    }
}
