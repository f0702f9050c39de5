//! The `coxswain` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("Error: another TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    coxswain::cli::main(std::env::args_os())
}
