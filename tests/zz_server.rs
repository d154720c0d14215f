#[path = "it/server_support.rs"]
mod server_support;
#[path = "it/otlp_doors.rs"]
mod otlp_doors;
#[path = "it/http_api.rs"]
mod http_api;
