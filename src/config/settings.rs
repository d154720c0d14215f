//! The checked configuration.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytesize::ByteSize;
use serde::Deserialize;
use toml::Value;
use url::Url;

use super::auth::users;
use super::describe::describe;
use super::layers::Layers;
use super::retention::retention;
use crate::auth::Users;
use crate::erasure::Held;
use crate::error::{Error, Result};
use crate::ingest::IngestSettings;
use crate::lake::{CloudAccess, LakeRoot, longest_commit};
use crate::maintenance::{CompactionSettings, HousekeepingSettings, MaintenanceSettings, RetentionRules};
use crate::model::contract::columns;
use crate::model::promoted::{AttributeMap, Promoted, PromotedType, Source, default_promoted};
use crate::model::signal::Signal;
use crate::query::{QueryBudget, SqlObjects};
use crate::server::TlsFiles;
use crate::wal::WalSettings;

/// A promoted column has at most this many sources.
const MAX_SOURCES: usize = 16;

/// The part of the memory limit that Parquet footers may take.
const FOOTER_CACHE_SHARE: usize = 16;

/// The part of the memory limit that small files of an object store may take.
const SMALL_FILES_SHARE: usize = 32;

/// The part of the memory limit that one merge of files may take.
const COMPACTION_SHARE: usize = 8;

/// The longest until a server has seen another's commit.
const STALENESS: Duration = Duration::from_secs(10);

/// The value of a limit that is none.
pub(super) const UNLIMITED: &str = "unlimited";

/// Where a door listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// Nowhere.
    Off,
    /// At an address; port 0 means any free one.
    At(SocketAddr),
}

impl FromStr for Bind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        text.parse().map(Self::At).map_err(|_| format!("`{text}` is neither `off` nor an address like 127.0.0.1:4317"))
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::At(address) => address.fmt(f),
        }
    }
}

impl Bind {
    /// The address, `None` for a door that is off.
    pub const fn address(self) -> Option<SocketAddr> {
        match self {
            Self::Off => None,
            Self::At(address) => Some(address),
        }
    }
}

/// A promoted column as the configuration file writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromotedConfig {
    /// Column name.
    name: String,
    /// `text`, `long`, `double` or `bool`.
    #[serde(rename = "type", default = "text")]
    kind: String,
    /// `attributes['key']` and the like, the first that is present.
    from: Vec<String>,
}

fn text() -> String {
    "text".to_owned()
}

/// Every setting, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// The lake's root.
    pub lake: LakeRoot,
    /// The WAL's folder.
    pub wal: PathBuf,
    /// Bytes that everything shares.
    pub memory_limit: usize,
    /// The OTLP/gRPC door.
    pub otlp_grpc: Bind,
    /// The OTLP/HTTP door.
    pub otlp_http: Bind,
    /// The HTTP API.
    pub http: Bind,
    /// The Arrow Flight SQL door.
    pub flight: Bind,
    /// The PostgreSQL door.
    pub postgres: Bind,
    /// Who may come in.
    pub users: Arc<Users>,
    /// The certificate of every door; `None` for plaintext.
    pub tls: Option<TlsFiles>,
    /// Whether other machines may be spoken to in plaintext.
    pub insecure_plaintext: bool,
    /// Largest OTLP request.
    pub max_request_bytes: usize,
    /// What a query may use.
    pub query: QueryBudget,
    /// The views and macros that queries may name.
    pub views: Arc<SqlObjects>,
    /// How small files become large ones.
    pub compaction: CompactionSettings,
    /// What a server does to its lake by itself.
    pub maintenance: MaintenanceSettings,
    /// What goes with age, and what is held.
    pub retention: Arc<RetentionRules>,
    /// How long what is no longer needed stays.
    pub housekeeping: HousekeepingSettings,
    /// How requests are taken.
    pub ingest: IngestSettings,
    /// All of it for people and programs to read, with where each value came from; no secrets.
    pub described: serde_json::Value,
}

impl Config {
    /// Checks the layers' values, each alone and against each other.
    ///
    /// # Errors
    /// `Config`, naming the key, its value and where it came from.
    pub fn from_layers(layers: &Layers) -> Result<Self> {
        let reader = Reader { layers };
        let housekeeping = housekeeping(&reader)?;
        let lake = LakeRoot::parse(&reader.parse::<String>("lake")?, &cloud_access(&reader)?)?;
        let lake = lake.with_grace(housekeeping.grace);
        let memory_limit = match reader.optional("memory_limit")? {
            Some(bytes) => bytes,
            None => machine_memory() / 2,
        };
        if memory_limit < 64 << 20 {
            return Err(reader.wrong("memory_limit", "must be at least 64 MiB"));
        }
        let max_memory = reader.optional("query.max_memory")?.unwrap_or(memory_limit / 2);
        if max_memory > memory_limit {
            return Err(reader.wrong("query.max_memory", "must not be above memory_limit"));
        }
        let max_request_bytes = reader.bytes("ingest.max_request_bytes")?;
        if !(1024..=1 << 30).contains(&max_request_bytes) {
            return Err(reader.wrong("ingest.max_request_bytes", "must be between 1 KiB and 1 GiB"));
        }
        let max_hot_bytes = memory_limit / 4;
        let flush_bytes = reader.bytes("flush.bytes")?;
        if flush_bytes == 0 {
            return Err(reader.wrong("flush.bytes", "must not be 0"));
        }
        let wal_folder: PathBuf = reader.parse::<String>("wal")?.into();
        let wal = WalSettings {
            max_bytes: reader.bytes("ingest.wal_max_bytes")? as u64,
            max_record_bytes: max_request_bytes,
            max_pending_bytes: (2 * max_request_bytes).max(16 << 20),
            repeat_window: reader.duration("ingest.repeat_window")?,
            ..WalSettings::default()
        };
        wal.validate().map_err(|error| reader.wrong("ingest.wal_max_bytes", &error.to_string()))?;
        let query = QueryBudget {
            max_memory,
            max_time: reader.duration("query.max_time")?,
            max_rows: reader.limit("query.max_rows", |key| reader.parse(key))?,
            max_scan_bytes: reader.limit("query.max_scan_bytes", |key| Ok(reader.bytes(key)? as u64))?,
            footer_cache: memory_limit / FOOTER_CACHE_SHARE,
            small_files: memory_limit / SMALL_FILES_SHARE,
            span_slack: reader.duration("query.span_slack")?,
        };
        let ingest = IngestSettings {
            wal_folder,
            wal,
            max_future: reader.duration("ingest.max_future")?,
            // Three tables flush by themselves; together they stay below the bound.
            flush_bytes: flush_bytes.min(max_hot_bytes / 4),
            flush_age: reader.duration("flush.age")?,
            max_hot_bytes,
            max_in_flight_bytes: (memory_limit / 16).max(max_request_bytes),
            promoted: promoted(layers)?,
            held: None,
        };
        let target_bytes = reader.bytes("compaction.target_bytes")? as u64;
        if target_bytes < 1 << 20 {
            return Err(reader.wrong("compaction.target_bytes", "must be at least 1 MiB"));
        }
        let views = views(&reader)?;
        let retention = retention(layers, &query, &views, &ingest.promoted)?;
        let compaction = CompactionSettings {
            target_bytes,
            memory: (memory_limit / COMPACTION_SHARE) as u64,
            dedup_spans: reader.parse("compaction.dedup_spans")?,
            dedup_logs: reader.parse("compaction.dedup_logs")?,
            renew: false,
            traces_judged: retention.traces.as_ref().map(|rule| rule.after),
        };
        let holds = retention.holds.clone();
        let held: Option<Arc<dyn Held>> = holds.iter().next().is_some().then(|| Arc::new(holds.clone()) as _);
        let ingest = IngestSettings { held, ..ingest };
        let mut config = Self {
            lake,
            wal: ingest.wal_folder.clone(),
            memory_limit,
            otlp_grpc: reader.parse("otlp_grpc")?,
            otlp_http: reader.parse("otlp_http")?,
            http: reader.parse("http")?,
            flight: reader.parse("flight")?,
            postgres: reader.parse("postgres")?,
            users: Arc::new(users(layers)?),
            tls: tls(&reader)?,
            insecure_plaintext: reader.parse("insecure_plaintext")?,
            max_request_bytes,
            query,
            views: Arc::new(views),
            compaction,
            maintenance: maintenance(&reader)?,
            retention: Arc::new(retention),
            housekeeping,
            ingest,
            described: serde_json::Value::Null,
        };
        config.described = describe(layers, &config);
        Ok(config)
    }
}

fn maintenance(reader: &Reader<'_>) -> Result<MaintenanceSettings> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cpu_threads = match reader.text("maintenance.cpu_threads") {
        Some(_) => reader.parse("maintenance.cpu_threads")?,
        None => (cores / 2).max(1),
    };
    if !(1..=1024).contains(&cpu_threads) {
        return Err(reader.wrong("maintenance.cpu_threads", "must be between 1 and 1024"));
    }
    let interval = reader.duration("maintenance.interval")?;
    if !(Duration::from_millis(10)..=Duration::from_secs(86_400)).contains(&interval) {
        return Err(reader.wrong("maintenance.interval", "must be between 10ms and 24h"));
    }
    let io = reader.limit("maintenance.io_bytes_per_second", |key| Ok(reader.bytes(key)? as u64))?;
    Ok(MaintenanceSettings {
        enabled: reader.parse("maintenance.enabled")?,
        cpu_threads,
        io_bytes_per_second: io.and_then(NonZeroU64::new),
        interval,
    })
}

fn views(reader: &Reader<'_>) -> Result<SqlObjects> {
    let built_in = SqlObjects::built_in()?;
    match reader.text("query.views") {
        Some(folder) => built_in.with_folder(Path::new(&folder)),
        None => Ok(built_in),
    }
}

fn housekeeping(reader: &Reader<'_>) -> Result<HousekeepingSettings> {
    let grace = reader.duration("vacuum.grace")?;
    let least =
        reader.duration("query.max_time")? + STALENESS + 2 * longest_commit(reader.duration("store.retry_time")?);
    if grace < least {
        let least = humantime::format_duration(Duration::from_secs(least.as_secs() + 1));
        let why = format!(
            "must be at least {least}: the longest query (query.max_time), what servers lag behind one another, and \
             twice the longest try of a commit (store.retry_time)"
        );
        return Err(reader.wrong("vacuum.grace", &why));
    }
    let log_retention = reader.duration("maintenance.log_retention")?;
    if log_retention < grace {
        return Err(reader.wrong("maintenance.log_retention", "must be at least vacuum.grace"));
    }
    Ok(HousekeepingSettings { grace, log_retention })
}

fn tls(reader: &Reader<'_>) -> Result<Option<TlsFiles>> {
    match (reader.text("tls.certificate"), reader.text("tls.key")) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate: certificate.into(), key: key.into() })),
        (None, None) => Ok(None),
        (Some(_), None) => Err(reader.wrong("tls.key", "is needed beside tls.certificate")),
        (None, Some(_)) => Err(reader.wrong("tls.certificate", "is needed beside tls.key")),
    }
}

fn cloud_access(reader: &Reader<'_>) -> Result<CloudAccess> {
    let endpoint = match reader.text("store.endpoint") {
        Some(_) => Some(reader.parse::<Url>("store.endpoint")?),
        None => None,
    };
    if endpoint.as_ref().is_some_and(|url| !url.username().is_empty() || url.password().is_some()) {
        // Its value is not repeated: there is a password in it.
        return Err(Error::config(
            "`store.endpoint` has a user or a password; give credentials in the provider's environment variables",
        ));
    }
    if endpoint.as_ref().is_some_and(|url| !matches!(url.scheme(), "http" | "https")) {
        return Err(reader.wrong("store.endpoint", "is no http:// or https:// URL"));
    }
    let max_requests = reader.parse("store.max_requests")?;
    // A commit reads while it lists.
    if !(2..=10_000).contains(&max_requests) {
        return Err(reader.wrong("store.max_requests", "must be between 2 and 10000"));
    }
    Ok(CloudAccess {
        endpoint,
        virtual_hosts: reader.parse("store.virtual_hosts")?,
        max_requests,
        retry_time: reader.duration("store.retry_time")?,
    })
}

struct Reader<'a> {
    layers: &'a Layers,
}

impl Reader<'_> {
    fn wrong(&self, key: &str, why: &str) -> Error {
        match self.layers.get(key) {
            Some((value, origin)) => Error::config(format!("`{key}` = {value} (from {origin}): {why}")),
            None => Error::config(format!("`{key}`: {why}")),
        }
    }

    fn text(&self, key: &str) -> Option<String> {
        self.layers.get(key).map(|(value, _)| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    fn parse<T: FromStr>(&self, key: &str) -> Result<T>
    where
        T::Err: fmt::Display,
    {
        let text = self.text(key).ok_or_else(|| self.wrong(key, "has no value"))?;
        text.parse().map_err(|error: T::Err| self.wrong(key, &error.to_string()))
    }

    fn bytes(&self, key: &str) -> Result<usize> {
        self.optional(key)?.ok_or_else(|| self.wrong(key, "has no value"))
    }

    fn optional(&self, key: &str) -> Result<Option<usize>> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let size: ByteSize =
            text.parse().map_err(|_| self.wrong(key, "is no number of bytes; write 268435456, 256 MiB or 1 GB"))?;
        usize::try_from(size.as_u64()).map(Some).map_err(|_| self.wrong(key, "is too large for this machine"))
    }

    /// `None` for no limit.
    fn limit(&self, key: &str, read: impl FnOnce(&str) -> Result<u64>) -> Result<Option<u64>> {
        if self.text(key).as_deref() == Some(UNLIMITED) {
            return Ok(None);
        }
        match read(key) {
            Ok(0) | Err(_) => Err(self.wrong(key, "is neither a number above 0 nor `unlimited`")),
            Ok(limit) => Ok(Some(limit)),
        }
    }

    fn duration(&self, key: &str) -> Result<Duration> {
        let text = self.text(key).ok_or_else(|| self.wrong(key, "has no value"))?;
        humantime::parse_duration(&text).map_err(|_| self.wrong(key, "is no duration; write 500ms, 60s, 5m or 24h"))
    }
}

/// The default promoted columns and the configured ones.
fn promoted(layers: &Layers) -> Result<Vec<Promoted>> {
    let mut all = default_promoted();
    let Some((value, origin)) = layers.get("promoted") else { return Ok(all) };
    let added: Vec<PromotedConfig> = value
        .clone()
        .try_into()
        .map_err(|error: toml::de::Error| Error::config(format!("`promoted` (from {origin}): {}", error.message())))?;
    for column in added {
        let column = column.checked()?;
        let taken = all.iter().any(|there| there.name == column.name)
            || Signal::ALL.iter().any(|signal| columns(*signal).any(|there| there.name == column.name));
        if taken {
            return Err(Error::config(format!("promoted column `{}`: the name is taken; choose another", column.name)));
        }
        all.push(column);
    }
    Ok(all)
}

impl PromotedConfig {
    fn checked(self) -> Result<Promoted> {
        let wrong = |why: &str| Error::config(format!("promoted column `{}`: {why}", self.name));
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err(wrong("a name has lower-case letters, digits and _ only"));
        }
        let kind = match self.kind.as_str() {
            "text" => PromotedType::Text,
            "long" => PromotedType::Long,
            "double" => PromotedType::Double,
            "bool" => PromotedType::Bool,
            other => return Err(wrong(&format!("type `{other}` is not one of text, long, double, bool"))),
        };
        if self.from.is_empty() || self.from.len() > MAX_SOURCES {
            return Err(wrong(&format!("`from` names 1 to {MAX_SOURCES} sources")));
        }
        let sources = self
            .from
            .iter()
            .map(|source| {
                parse_source(source).ok_or_else(|| {
                    wrong(&format!("`{source}` is not of the form resource_attributes['key'], attributes['key'] or scope_attributes['key']"))
                })
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Promoted { name: self.name, kind, sources })
    }
}

/// `attributes['key']`.
fn parse_source(text: &str) -> Option<Source> {
    let (map, rest) = text.split_once("['")?;
    let key = rest.strip_suffix("']")?;
    (!key.is_empty()).then_some(Source { map: AttributeMap::from_column(map)?, key: key.to_owned() })
}

/// Bytes of memory of this machine, or of the control group that bounds the process.
fn machine_memory() -> usize {
    const FALLBACK: usize = 4 << 30;
    let physical = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        line.split_whitespace().nth(1)?.parse::<usize>().ok().map(|kib| kib * 1024)
    });
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    match (physical, group) {
        (Some(physical), Some(group)) => physical.min(group),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => FALLBACK,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str, env: &[(&str, &str)]) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("telestrata.toml");
        std::fs::write(&file, toml).unwrap();
        let env = |name: &str| env.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Config::from_layers(&Layers::load(Some(&file), env)?)
    }

    #[test]
    fn the_environment_goes_over_the_file_and_the_file_over_the_default() {
        let config =
            load("http = \"off\"\n[flush]\nage = \"5s\"\nbytes = \"1 MiB\"", &[("TELESTRATA_FLUSH_AGE", "7s")])
                .unwrap();
        assert_eq!(config.ingest.flush_age, Duration::from_secs(7));
        assert_eq!(config.ingest.flush_bytes, 1 << 20);
        assert_eq!(config.http, Bind::Off);
        assert_eq!(config.otlp_grpc.to_string(), "127.0.0.1:4317");
    }

    #[rstest::rstest]
    #[case("flushh = 1", "flushh")]
    #[case("[flush]\nage = \"soon\"", "flush.age")]
    #[case("http = \"everywhere\"", "http")]
    #[case("[vacuum]\ngrace = \"10m\"", "vacuum.grace")]
    #[case("[query]\nmax_time = \"24h\"", "vacuum.grace")]
    #[case("[maintenance]\nlog_retention = \"2h\"", "maintenance.log_retention")]
    #[case("[store]\nendpoint = \"minio:9000\"", "store.endpoint")]
    #[case("[store]\nmax_requests = 0", "store.max_requests")]
    #[case("memory_limit = \"1 KB\"", "memory_limit")]
    #[case("[compaction]\ndedup_spans = \"yes\"", "compaction.dedup_spans")]
    #[case("[query]\nmax_rows = \"few\"", "query.max_rows")]
    #[case("[query]\nmax_scan_bytes = 0", "query.max_scan_bytes")]
    #[case("[maintenance]\nio_bytes_per_second = 0", "maintenance.io_bytes_per_second")]
    #[case("[maintenance]\ncpu_threads = 0", "maintenance.cpu_threads")]
    #[case("[maintenance]\nenabled = \"often\"", "maintenance.enabled")]
    #[case("[maintenance]\ninterval = \"0s\"", "maintenance.interval")]
    #[case("[[promoted]]\nname = \"time\"\nfrom = [\"attributes['t']\"]", "taken")]
    #[case("[[promoted]]\nname = \"Tenant\"\nfrom = [\"attributes['t']\"]", "lower-case")]
    #[case("[[promoted]]\nname = \"tenant\"\nfrom = [\"tenant.id\"]", "tenant.id")]
    #[case("[tls]\nkey = \"server.key\"", "tls.certificate")]
    #[case("[tls]\ncertificate = \"server.pem\"", "tls.key")]
    #[case("insecure_plaintext = \"maybe\"", "insecure_plaintext")]
    #[case("[auth]", "[auth]")]
    #[case("[auth]\nusers = []", "auth.users")]
    #[case("[auth]\nuser = \"ann\"", "[[auth.user]]")]
    #[case("[[auth.user]]\nname = \"ann\"\npassword = \"x\"", "`password` is no key")]
    #[case("[[auth.user]]\nname = \"ann\"\nroles = []", "`scram` is missing")]
    #[case("[[auth.token]]\nname = \"edge\"\nhash = 1\nroles = []", "`hash` is not a string")]
    #[case("[[auth.token]]\nname = \"edge\"\nhash = \"x\"\nroles = []", "argon2id")]
    fn what_is_wrong_is_named(#[case] toml: &str, #[case] named: &str) {
        let error = load(toml, &[]).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }

    #[test]
    fn a_promoted_column_is_added_behind_the_default_set() {
        let config = load("[[promoted]]\nname = \"tenant\"\ntype = \"long\"\nfrom = [\"attributes['tenant.id']\", \"resource_attributes['tenant.id']\"]", &[]).unwrap();
        let last = config.ingest.promoted.last().unwrap();
        assert_eq!((last.name.as_str(), last.sources.len()), ("tenant", 2));
    }
}
