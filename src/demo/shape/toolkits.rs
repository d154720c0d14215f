//! What each language's SDK and instrumentation libraries write on their telemetry: one row a language.
//!
//! The schema URLs differ on purpose: a real fleet never upgrades its SDKs on the same day.

use super::vocabulary::Language;

/// Name and version of an instrumentation library.
pub(crate) type Library = (&'static str, &'static str);

pub(crate) struct Toolkit {
    /// `telemetry.sdk.language`.
    pub(crate) language: &'static str,
    pub(crate) sdk_version: &'static str,
    /// `process.runtime.name` and `process.runtime.version`; a compiled language has none.
    pub(crate) runtime: Option<(&'static str, &'static str)>,
    pub(crate) schema_url: &'static str,
    pub(crate) http: Library,
    pub(crate) grpc: Library,
    pub(crate) database: Library,
    pub(crate) messaging: Library,
    pub(crate) runtime_metrics: Library,
    /// Severity text of debug, info, warn, error as the language's loggers spell them.
    pub(crate) severities: [&'static str; 4],
    /// Still sends `deployment.environment`, the name before semantic conventions 1.27.
    pub(crate) old_environment_name: bool,
}

impl Language {
    pub(crate) const fn toolkit(self) -> &'static Toolkit {
        match self {
            Self::Cpp => &CPP,
            Self::Dotnet => &DOTNET,
            Self::Go => &GO,
            Self::Java => &JAVA,
            Self::NodeJs => &NODE_JS,
            Self::Python => &PYTHON,
            Self::Ruby => &RUBY,
            Self::Rust => &RUST,
        }
    }
}

static CPP: Toolkit = Toolkit {
    language: "cpp",
    sdk_version: "1.23.0",
    runtime: None,
    schema_url: "https://opentelemetry.io/schemas/1.34.0",
    http: ("currency-http", "1.0.12"),
    grpc: ("currency-grpc", "1.0.12"),
    database: ("currency-db", "1.0.12"),
    messaging: ("currency-kafka", "1.0.12"),
    runtime_metrics: ("currency-process", "1.0.12"),
    severities: ["debug", "info", "warning", "error"],
    old_environment_name: false,
};

static DOTNET: Toolkit = Toolkit {
    language: "dotnet",
    sdk_version: "1.14.0",
    runtime: Some((".NET", "10.0.1")),
    schema_url: "https://opentelemetry.io/schemas/1.38.0",
    http: ("Microsoft.AspNetCore", "10.0.1"),
    grpc: ("OpenTelemetry.Instrumentation.GrpcNetClient", "1.14.0-beta.1"),
    database: ("OpenTelemetry.Instrumentation.StackExchangeRedis", "1.14.0-beta.1"),
    messaging: ("Confluent.Kafka.Extensions.Diagnostics", "0.5.0"),
    runtime_metrics: ("System.Runtime", "10.0.1"),
    severities: ["Debug", "Information", "Warning", "Error"],
    old_environment_name: false,
};

static GO: Toolkit = Toolkit {
    language: "go",
    sdk_version: "1.39.0",
    runtime: Some(("go", "go1.25.5")),
    schema_url: "https://opentelemetry.io/schemas/1.37.0",
    http: ("go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp", "0.64.0"),
    grpc: ("go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc", "0.64.0"),
    database: ("github.com/XSAM/otelsql", "0.41.0"),
    messaging: ("github.com/twmb/franz-go/plugin/kotel", "1.6.0"),
    runtime_metrics: ("go.opentelemetry.io/contrib/instrumentation/runtime", "0.64.0"),
    severities: ["DEBUG", "INFO", "WARN", "ERROR"],
    old_environment_name: false,
};

static JAVA: Toolkit = Toolkit {
    language: "java",
    sdk_version: "1.57.0",
    runtime: Some(("OpenJDK Runtime Environment", "25.0.1+8-LTS")),
    schema_url: "https://opentelemetry.io/schemas/1.37.0",
    http: ("io.opentelemetry.java-http-client", "2.23.0-alpha"),
    grpc: ("io.opentelemetry.grpc-1.6", "2.23.0-alpha"),
    database: ("io.opentelemetry.jdbc", "2.23.0-alpha"),
    messaging: ("io.opentelemetry.kafka-clients-0.11", "2.23.0-alpha"),
    runtime_metrics: ("io.opentelemetry.runtime-telemetry-java17", "2.23.0-alpha"),
    severities: ["DEBUG", "INFO", "WARN", "ERROR"],
    old_environment_name: false,
};

static NODE_JS: Toolkit = Toolkit {
    language: "nodejs",
    sdk_version: "2.2.0",
    runtime: Some(("nodejs", "24.12.0")),
    schema_url: "https://opentelemetry.io/schemas/1.38.0",
    http: ("@opentelemetry/instrumentation-http", "0.208.0"),
    grpc: ("@opentelemetry/instrumentation-grpc", "0.208.0"),
    database: ("@opentelemetry/instrumentation-ioredis", "0.57.0"),
    messaging: ("@opentelemetry/instrumentation-kafkajs", "0.18.0"),
    runtime_metrics: ("@opentelemetry/instrumentation-runtime-node", "0.22.0"),
    severities: ["debug", "info", "warn", "error"],
    old_environment_name: false,
};

static PYTHON: Toolkit = Toolkit {
    language: "python",
    sdk_version: "1.39.1",
    runtime: Some(("cpython", "3.14.2")),
    schema_url: "https://opentelemetry.io/schemas/1.36.0",
    http: ("opentelemetry.instrumentation.httpx", "0.60b1"),
    grpc: ("opentelemetry.instrumentation.grpc", "0.60b1"),
    database: ("opentelemetry.instrumentation.psycopg", "0.60b1"),
    messaging: ("opentelemetry.instrumentation.confluent_kafka", "0.60b1"),
    runtime_metrics: ("opentelemetry.instrumentation.system_metrics", "0.60b1"),
    severities: ["DEBUG", "INFO", "WARNING", "ERROR"],
    old_environment_name: false,
};

static RUBY: Toolkit = Toolkit {
    language: "ruby",
    sdk_version: "1.10.0",
    runtime: Some(("ruby", "3.3.10")),
    schema_url: "https://opentelemetry.io/schemas/1.23.0",
    http: ("OpenTelemetry::Instrumentation::Rack", "0.28.2"),
    grpc: ("OpenTelemetry::Instrumentation::Grpc", "0.5.0"),
    database: ("OpenTelemetry::Instrumentation::PG", "0.32.0"),
    messaging: ("OpenTelemetry::Instrumentation::Rdkafka", "0.8.1"),
    runtime_metrics: (
        "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/prometheusreceiver",
        "0.142.0",
    ),
    severities: ["DEBUG", "INFO", "WARN", "ERROR"],
    old_environment_name: true,
};

static RUST: Toolkit = Toolkit {
    language: "rust",
    sdk_version: "0.31.0",
    runtime: None,
    schema_url: "https://opentelemetry.io/schemas/1.36.0",
    http: ("opentelemetry-instrumentation-tower", "0.17.0"),
    grpc: ("tonic-tracing-opentelemetry", "0.32.1"),
    database: ("sqlx-otel", "0.2.0"),
    messaging: ("rdkafka-otel", "0.1.4"),
    runtime_metrics: ("tokio-metrics-otel", "0.3.0"),
    severities: ["DEBUG", "INFO", "WARN", "ERROR"],
    old_environment_name: false,
};
