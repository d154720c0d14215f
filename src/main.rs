//! The `telestrata` program; everything is in the library.

/// Batches come and go by the megabyte, which glibc gives back to the kernel at once. The slowest acknowledgements
/// take less than half as long with jemalloc (`docs/benchmarks.md`).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    telestrata::cli::main()
}
