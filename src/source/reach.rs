//! Which addresses are asked at all. A cloud tells each machine its credentials at an address of its own, and who may
//! write a ChartRepo or a HelmRequest must not learn them through the operator.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::SourceError;

/// Which addresses are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// All but those of the metadata of machines.
    #[default]
    WithoutMetadata,
    /// All.
    Everywhere,
}

/// The address belongs to the metadata of machines.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("an address of the metadata of machines")]
pub(super) struct OutOfReach;

/// The name of Google's, which also answers by it.
const NAME: &str = "metadata.google.internal";
/// Amazon's, at IPv6.
const AMAZON: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
/// Alibaba's, which is not among the link-local addresses.
const ALIBABA: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);

impl Reach {
    /// Whether the URL may be asked, as far as it names an address itself.
    pub(super) fn admits(self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let address = IpAddr::from_str(host.trim_start_matches('[').trim_end_matches(']'));
        match self {
            Self::Everywhere => true,
            Self::WithoutMetadata => !host.eq_ignore_ascii_case(NAME) && !address.is_ok_and(is_metadata),
        }
    }
}

impl Reach {
    /// Looks a host up for a program of its own, and refuses what may not be asked.
    ///
    /// # Errors
    /// [`SourceError::OutOfReach`] and [`SourceError::Dns`]; `shown` is the URL for messages.
    pub(super) async fn check(self, url: &Url, shown: &str) -> Result<(), SourceError> {
        let out_of_reach = || SourceError::OutOfReach { url: shown.to_owned() };
        if !self.admits(url) {
            return Err(out_of_reach());
        }
        let host = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
        let found = tokio::net::lookup_host((host.as_str(), 0)).await;
        let mut found = found.map_err(|error| SourceError::dns(&host, &error.to_string()))?;
        let is_refused = self == Self::WithoutMetadata && found.any(|address| is_metadata(address.ip()));
        if is_refused { Err(out_of_reach()) } else { Ok(()) }
    }
}

/// Finds the addresses of a name as the system does, none where one of them is out of reach.
#[derive(Debug)]
pub(super) struct Resolver(pub(super) Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if reach == Reach::WithoutMetadata && addresses.iter().any(|address| is_metadata(address.ip())) {
                return Err(OutOfReach.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn is_metadata(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || address == ALIBABA,
        IpAddr::V6(address) => address == AMAZON || embedded(address).is_some_and(|inner| is_metadata(inner.into())),
    }
}

/// The IPv4 address in one that stands for it: `::ffff:a.b.c.d`, or `64:ff9b::a.b.c.d` behind NAT64.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [prefix @ .., high, low] = address.segments();
    let translated = prefix == [0x64, 0xff9b, 0, 0, 0, 0];
    let address_of = || Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    address.to_ipv4_mapped().or_else(|| translated.then(address_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metadata_of_machines_is_out_of_reach_unless_it_is_allowed() {
        for url in [
            "http://169.254.169.254/latest",
            "https://169.254.0.1:8443/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://[fd00:ec2::254]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[64:ff9b::169.254.169.254]/",
            "http://100.100.100.200/",
            "http://METADATA.google.internal./computeMetadata",
        ] {
            let url = Url::parse(url).expect("a URL");
            assert!(!Reach::WithoutMetadata.admits(&url), "{url}");
            assert!(Reach::Everywhere.admits(&url), "{url}");
        }
        for url in ["http://127.0.0.1/", "http://10.0.0.1", "https://[fd00::254]/", "https://google.internal.example/"]
        {
            assert!(Reach::WithoutMetadata.admits(&Url::parse(url).expect("a URL")), "{url}");
        }
    }

    #[tokio::test]
    async fn names_are_resolved_as_the_system_does() {
        let found = |name: &str| {
            let resolving = Resolver(Reach::WithoutMetadata).resolve(name.parse().expect("a name"));
            async move { resolving.await.map(Iterator::collect::<Vec<_>>) }
        };
        assert!(found("localhost").await.is_ok_and(|addresses| !addresses.is_empty()));
        let refused = found("169.254.169.254").await.expect_err("out of reach");
        assert!(refused.is::<OutOfReach>(), "{refused}");
    }
}
