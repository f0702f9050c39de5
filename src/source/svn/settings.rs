//! What the svn program is told beside its arguments: the file `servers` of its folder of settings.

use std::fmt::Write as _;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper_util::client::proxy::matcher::Matcher;
use reqwest::Url;

use crate::source::access::Tls;
use crate::source::workshop::Bench;

/// How long a server may be silent, in seconds.
const SILENCE: u32 = 60;

/// Puts the settings for an address on the bench. Nothing of a machine or a user is read but these.
pub(super) fn write(bench: &Bench, url: &Url, tls: &Tls) -> io::Result<()> {
    let mut servers = format!("[global]\nhttp-timeout = {SILENCE}\n");
    let mut set = |name: &str, value: &str| {
        // Writing to text does not fail.
        let _ = writeln!(servers, "{name} = {value}");
    };
    if let Some(authorities) = &tls.authorities {
        set("ssl-authority-files", &bench.put("ca.crt", authorities)?.to_string_lossy());
        set("ssl-trust-default-ca", "no");
    }
    if let Some(proxy) = proxy(&Matcher::from_env(), url) {
        set("http-proxy-host", &proxy.host);
        set("http-proxy-port", &proxy.port);
        if let Some((username, password)) = &proxy.login {
            set("http-proxy-username", username);
            set("http-proxy-password", password);
        }
    }
    bench.put("servers", &servers)?;
    bench.put("config", "[auth]\npassword-stores =\n").map(drop)
}

/// A proxy, as Subversion is told of it.
#[derive(PartialEq, Eq)]
struct Proxy {
    host: String,
    port: String,
    login: Option<(String, String)>,
}

/// The proxy on the way to an address, as the environment says it to every other client. Subversion knows none but those
/// of HTTP, and does not read the environment.
fn proxy(environment: &Matcher, url: &Url) -> Option<Proxy> {
    let found = environment.intercept(&url.as_str().parse().ok()?)?;
    let address = Url::parse(&found.uri().to_string()).ok()?;
    let host = address.host_str()?.to_owned();
    let port = address.port_or_known_default().unwrap_or(80).to_string();
    let login = || {
        let encoded = found.basic_auth()?.to_str().ok()?.strip_prefix("Basic ")?.trim().to_owned();
        let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
        decoded.split_once(':').map(|(username, password)| (username.to_owned(), password.to_owned()))
    };
    matches!(address.scheme(), "http" | "https").then(|| Proxy { host, port, login: login() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_the_one_of_the_environment() {
        let environment = Matcher::builder().https("http://ann:s%40cret@proxy.x.org:3128").no("y.org").build();
        let found = |url: &str| {
            let found = proxy(&environment, &Url::parse(url).expect("a URL"))?;
            Some((found.host, found.port, found.login))
        };
        let login = Some(("ann".to_owned(), "s@cret".to_owned()));
        assert_eq!(found("https://x.org/charts"), Some(("proxy.x.org".to_owned(), "3128".to_owned(), login)));
        assert_eq!(found("https://svn.y.org/charts"), None);
        assert_eq!(found("http://x.org/charts"), None);
    }
}
