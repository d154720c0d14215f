//! Every configuration key, once.

/// One key.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Its place in `telestrata.toml`, with dots.
    pub path: &'static str,
    /// Its default as TOML; empty where the default depends on the machine.
    pub default: &'static str,
    /// What it is for, and its unit.
    pub doc: &'static str,
}

impl Key {
    /// The environment variable of the key.
    pub fn env(&self) -> String {
        format!("TELESTRATA_{}", self.path.replace('.', "_").to_uppercase())
    }
}

const fn key(path: &'static str, default: &'static str, doc: &'static str) -> Key {
    Key { path, default, doc }
}

/// The keys, in the order that `config show` prints.
pub const KEYS: &[Key] = &[
    key("lake", r#""./telemetry""#, "root of the lake: a folder or a URL"),
    key("wal", r#""./telemetry-wal""#, "folder of the write-ahead log, always local"),
    key("memory_limit", "", "bytes that buffers, queries and caches share; default: half of the machine's"),
    key("otlp_grpc", r#""127.0.0.1:4317""#, "address of the OTLP/gRPC door, or off"),
    key("otlp_http", r#""127.0.0.1:4318""#, "address of the OTLP/HTTP door, or off"),
    key("http", r#""127.0.0.1:8710""#, "address of the HTTP API, or off"),
    key("flight", r#""127.0.0.1:8711""#, "address of the Arrow Flight SQL door, or off"),
    key("postgres", r#""127.0.0.1:8712""#, "address of the PostgreSQL door, or off"),
    key("insecure_plaintext", "false", "whether other machines may be spoken to without TLS"),
    key("tls.certificate", "", "PEM file of the certificate that every door shows, and of those behind it"),
    key("tls.key", "", "PEM file of the certificate's private key"),
    key(
        "store.endpoint",
        "",
        "URL of the object store's API where it is not the provider's own; default: AWS_ENDPOINT_URL",
    ),
    key("store.virtual_hosts", "false", "S3: name the bucket in the host (bucket.host) instead of the path"),
    key("store.max_requests", "64", "requests to the object store at once"),
    key("store.retry_time", r#""30s""#, "how long a failing request to the object store is tried again"),
    key("flush.age", r#""60s""#, "a table is flushed when a row has waited this long"),
    key("flush.bytes", r#""256 MiB""#, "a table is flushed when it holds this much in memory"),
    key("ingest.max_future", r#""24h""#, "how far past its arrival a record's time may lie; a later one is rejected"),
    key("ingest.max_request_bytes", r#""64 MiB""#, "largest OTLP request, before and after decompression"),
    key("ingest.repeat_window", r#""10m""#, "a request sent again within this time is stored once"),
    key(
        "ingest.wal_max_bytes",
        r#""4 GiB""#,
        "unflushed bytes in the write-ahead log at which requests are told to wait",
    ),
    key("compaction.target_bytes", r#""512 MiB""#, "bytes of the files that small ones are merged into"),
    key(
        "compaction.dedup_spans",
        r#""off""#,
        "exact: of spans that are equal but for when and by which way they came, compaction keeps one",
    ),
    key("compaction.dedup_logs", r#""off""#, "exact: the same of logs; genuine twins, which have no identity, go too"),
    key("maintenance.enabled", "true", "whether the server compacts and cleans up its lake by itself"),
    key(
        "maintenance.cpu_threads",
        "",
        "threads that compute for that, beside one that encodes; default: half of the machine's cores",
    ),
    key(
        "maintenance.io_bytes_per_second",
        r#""100 MiB""#,
        "bytes a second that it reads from the lake and writes to it, together, or unlimited",
    ),
    key("maintenance.interval", r#""30s""#, "how often it is looked for files to merge"),
    key(
        "maintenance.log_retention",
        r#""30d""#,
        "how long a table's commits are kept, and with them its versions for whoever asks for an earlier one",
    ),
    key(
        "vacuum.grace",
        r#""24h""#,
        "how long files stay that no version needs any more, for whoever still reads or is about to commit them",
    ),
    key("query.max_memory", "", "bytes of all running queries together; default: half of memory_limit"),
    key("query.max_time", r#""5m""#, "longest time of one query"),
    key("query.views", "", "folder of .sql files, each a view or macro beside the program's own"),
    key("query.max_rows", r#""unlimited""#, "most rows of one result, or unlimited"),
    key(
        "query.max_scan_bytes",
        r#""unlimited""#,
        "most bytes that one query reads from files, compressed, or unlimited",
    ),
    key("query.span_slack", r#""1h""#, "how far outside of a span a log of it may lie"),
];
