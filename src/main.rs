//! The `telestrata` program; everything is in the library.

/// Batches come and go by the megabyte; glibc gives each back to the kernel at once, and page faults cost a tenth of
/// the server's time (`docs/benchmarks.md`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    telestrata::cli::main()
}
