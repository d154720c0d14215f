//! The `telestrata` program; everything is in the library.

/// Batches come and go by the megabyte; glibc gives each back to the kernel, and page faults cost a quarter of a decode.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    telestrata::cli::main()
}
