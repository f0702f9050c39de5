//! Warm renders of every chart that there is, ours and Helm's by turns.

use std::time::Duration;

use anyhow::Result;
use coxswain::template::on_large_stack;

use super::helm::Helm;
use super::subject::{Case, Mean, Temperature};

/// How much CPU time a case is rendered for at least.
const ENOUGH: Duration = Duration::from_millis(5);

/// A case of the corpus, rendered by both.
pub struct Pair {
    /// Whether its templates make keys or slow digests, whose cost is chance and arithmetic.
    pub makes_keys: bool,
    /// Our renders.
    pub ours: Mean,
    /// Helm's.
    pub helm: Mean,
}

impl Pair {
    /// How many times the CPU of ours Helm's takes.
    pub fn ratio(&self) -> f64 {
        self.helm.seconds() / self.ours.seconds()
    }
}

/// Renders each case by both; a case that either refuses is left out.
///
/// # Errors
/// When no thread can be started.
pub fn compare(cases: &[Case], helm: &mut Helm) -> Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for case in cases {
        let ours = on_large_stack(|| case.prepare(Temperature::Warm)?.render(1, ENOUGH))?;
        let Ok(ours) = ours else { continue };
        match helm.render(case, Temperature::Warm, 1, ENOUGH) {
            Ok(helm) => pairs.push(Pair { makes_keys: makes_keys(case)?, ours, helm }),
            Err(error) => eprintln!("left out: {error:#}"),
        }
    }
    Ok(pairs)
}

/// Whether any template of the chart calls a function that makes keys or hashes passwords.
fn makes_keys(case: &Case) -> Result<bool> {
    const FUNCTIONS: [&[u8]; 6] =
        [b"genCA", b"genSelfSignedCert", b"genSignedCert", b"genPrivateKey", b"htpasswd", b"bcrypt"];
    fn any(chart: &coxswain::chart::Chart) -> bool {
        let calls = |text: &[u8]| FUNCTIONS.iter().any(|name| memchr::memmem::find(text, name).is_some());
        chart.templates.iter().any(|file| calls(&file.data)) || chart.dependencies.iter().any(any)
    }
    Ok(any(case.load()?.chart()))
}
