//! What every process reports about itself, span or no span: one row a series.

use super::vocabulary::Language::{self, Cpp, Dotnet, Go, Java, NodeJs, Python, Ruby, Rust};

/// Who reports a series.
pub(crate) enum Reporter {
    Languages(&'static [Language]),
    Services(&'static [&'static str]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RuntimeForm {
    Gauge,
    /// Non-monotonic sum, always cumulative.
    UpDown,
    /// Monotonic sum, in the temporality of its service.
    Counter,
}

pub(crate) struct RuntimeSeries {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) description: &'static str,
    pub(crate) reporter: Reporter,
    pub(crate) form: RuntimeForm,
    pub(crate) whole_numbers: bool,
    /// The value wanders around this; a counter grows by about this much between two collections.
    pub(crate) typical: f64,
    /// How far one collection may move it, as a share of `typical`.
    pub(crate) swing: f64,
    pub(crate) attributes: &'static [(&'static str, &'static str)],
}

const WITH_SDK: Reporter = Reporter::Languages(&[Cpp, Dotnet, Go, Java, NodeJs, Python, Rust]);

macro_rules! series {
    ($($name:literal $unit:literal $description:literal, $reporter:expr, $form:ident $whole:literal,
       $typical:literal +- $swing:literal, $attributes:expr;)*) => {
        &[$(RuntimeSeries {
            name: $name,
            unit: $unit,
            description: $description,
            reporter: $reporter,
            form: RuntimeForm::$form,
            whole_numbers: $whole,
            typical: $typical,
            swing: $swing,
            attributes: $attributes,
        }),*]
    };
}

/// Rows of one metric stay together: they become the data points of one `Metric`.
#[rustfmt::skip]
pub(crate) static RUNTIME_SERIES: &[RuntimeSeries] = series! {
    "process.cpu.utilization" "1" "Difference in process.cpu.time since the last measurement, divided by the elapsed time and number of CPUs.", WITH_SDK, Gauge false, 0.16 +- 0.2, &[("cpu.mode", "user")];
    "process.cpu.utilization" "1" "Difference in process.cpu.time since the last measurement, divided by the elapsed time and number of CPUs.", WITH_SDK, Gauge false, 0.04 +- 0.2, &[("cpu.mode", "system")];
    "process.cpu.time" "s" "Total CPU seconds broken down by different CPU modes.", WITH_SDK, Counter false, 3.2 +- 0.2, &[("cpu.mode", "user")];
    "process.memory.usage" "By" "The amount of physical memory in use.", WITH_SDK, UpDown true, 251_658_240.0 +- 0.04, &[];
    "jvm.memory.used" "By" "Measure of memory used.", Reporter::Languages(&[Java]), UpDown true, 96_468_992.0 +- 0.3, &[("jvm.memory.type", "heap"), ("jvm.memory.pool.name", "G1 Eden Space")];
    "jvm.memory.used" "By" "Measure of memory used.", Reporter::Languages(&[Java]), UpDown true, 188_743_680.0 +- 0.05, &[("jvm.memory.type", "heap"), ("jvm.memory.pool.name", "G1 Old Gen")];
    "jvm.memory.used" "By" "Measure of memory used.", Reporter::Languages(&[Java]), UpDown true, 73_400_320.0 +- 0.01, &[("jvm.memory.type", "non_heap"), ("jvm.memory.pool.name", "Metaspace")];
    "jvm.thread.count" "{thread}" "Number of executing platform threads.", Reporter::Languages(&[Java]), UpDown true, 64.0 +- 0.05, &[("jvm.thread.daemon", "true"), ("jvm.thread.state", "waiting")];
    "jvm.cpu.recent_utilization" "1" "Recent CPU utilization for the process as reported by the JVM.", Reporter::Languages(&[Java]), Gauge false, 0.11 +- 0.3, &[];
    "go.goroutine.count" "{goroutine}" "Count of live goroutines.", Reporter::Languages(&[Go]), UpDown true, 210.0 +- 0.1, &[];
    "go.memory.used" "By" "Memory used by the Go runtime.", Reporter::Languages(&[Go]), UpDown true, 58_720_256.0 +- 0.1, &[("go.memory.type", "other")];
    "go.memory.allocated" "By" "Memory allocated to the heap by the application.", Reporter::Languages(&[Go]), Counter true, 41_943_040.0 +- 0.4, &[];
    "nodejs.eventloop.delay.p99" "s" "Event loop 99 percentile delay.", Reporter::Languages(&[NodeJs]), Gauge false, 0.012 +- 0.3, &[];
    "v8js.memory.heap.used" "By" "Heap Memory size allocated.", Reporter::Languages(&[NodeJs]), UpDown true, 88_080_384.0 +- 0.1, &[("v8js.heap.space.name", "old_space")];
    "v8js.memory.heap.used" "By" "Heap Memory size allocated.", Reporter::Languages(&[NodeJs]), UpDown true, 12_582_912.0 +- 0.4, &[("v8js.heap.space.name", "new_space")];
    "dotnet.gc.collections" "{collection}" "The number of garbage collections that have occurred since the process has started.", Reporter::Languages(&[Dotnet]), Counter true, 9.0 +- 0.4, &[("dotnet.gc.heap.generation", "gen0")];
    "dotnet.gc.collections" "{collection}" "The number of garbage collections that have occurred since the process has started.", Reporter::Languages(&[Dotnet]), Counter true, 1.0 +- 0.9, &[("dotnet.gc.heap.generation", "gen2")];
    "dotnet.thread_pool.thread.count" "{thread}" "The number of thread pool threads that currently exist.", Reporter::Languages(&[Dotnet]), UpDown true, 14.0 +- 0.1, &[];
    "cpython.gc.collections" "{collection}" "The number of times a generation was collected since interpreter start.", Reporter::Languages(&[Python]), Counter true, 22.0 +- 0.4, &[("cpython.gc.generation", "0")];
    "db.client.connection.count" "{connection}" "The number of connections that are currently in state described by the state attribute.", Reporter::Services(&["catalog", "checkout", "inventory", "payment"]), UpDown true, 6.0 +- 0.4, &[("db.client.connection.pool.name", "main"), ("db.client.connection.state", "used")];
    "db.client.connection.count" "{connection}" "The number of connections that are currently in state described by the state attribute.", Reporter::Services(&["catalog", "checkout", "inventory", "payment"]), UpDown true, 14.0 +- 0.2, &[("db.client.connection.pool.name", "main"), ("db.client.connection.state", "idle")];
    "kafka.consumer_group.lag" "1" "Current approximate lag of consumer group at partition of topic.", Reporter::Services(&["email"]), Gauge true, 12.0 +- 0.5, &[("group", "order-emails"), ("topic", "orders"), ("partition", "0")];
    "kafka.consumer_group.lag" "1" "Current approximate lag of consumer group at partition of topic.", Reporter::Services(&["email"]), Gauge true, 9.0 +- 0.5, &[("group", "order-emails"), ("topic", "orders"), ("partition", "1")];
    "kafka.consumer_group.lag" "1" "Current approximate lag of consumer group at partition of topic.", Reporter::Services(&["fraud"]), Gauge true, 40.0 +- 0.5, &[("group", "fraud-review"), ("topic", "orders"), ("partition", "0")];
    "process_resident_memory_bytes" "By" "Resident memory size in bytes.", Reporter::Languages(&[Ruby]), Gauge false, 163_577_856.0 +- 0.03, &[];
    "puma_running" "1" "Number of running worker threads.", Reporter::Languages(&[Ruby]), Gauge false, 5.0 +- 0.2, &[];
    "ruby_gc_count" "1" "Count of garbage collections.", Reporter::Languages(&[Ruby]), Counter false, 6.0 +- 0.5, &[];
};
