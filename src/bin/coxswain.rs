//! The `coxswain` binary.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("Error: another TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    coxswain::cli::main(std::env::args_os())
}
