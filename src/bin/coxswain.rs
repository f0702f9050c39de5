//! The `coxswain` binary.

use clap::Parser;

fn main() -> anyhow::Result<()> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider is installed already"))?;
    Ok(coxswain::cli::Arguments::parse().run()?)
}
