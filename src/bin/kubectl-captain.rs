//! The `kubectl-captain` binary: in the search path, it is `kubectl captain`.

use std::process::ExitCode;

use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("Error: another TLS provider is installed already");
        return ExitCode::FAILURE;
    }
    coxswain::plugin::main(std::env::args_os())
}
