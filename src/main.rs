//! The `telestrata` program; everything is in the library.

fn main() -> std::process::ExitCode {
    telestrata::cli::main()
}
