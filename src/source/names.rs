//! Names of hosts that cannot be resolved, told with who was asked.

use super::error::SourceError;

impl SourceError {
    /// A name cannot be resolved, with what the system said.
    pub(super) fn dns(host: &str, cause: &str) -> Self {
        let cause = cause.rsplit(": ").next().filter(|cause| !cause.is_empty()).unwrap_or("it is not known");
        let settings = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        Self::Dns { host: host.to_owned(), resolvers: resolvers(&settings), cause: cause.to_owned() }
    }
}

/// The servers that a `resolv.conf` names.
fn resolvers(settings: &str) -> String {
    let servers = settings.lines().filter_map(|line| line.trim().strip_prefix("nameserver")).map(str::trim);
    let servers: Vec<&str> = servers.filter(|server| !server.is_empty()).collect();
    if servers.is_empty() { "this machine".to_owned() } else { servers.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_known_is_told_with_who_was_asked() {
        assert_eq!(
            resolvers("search x.org\nnameserver 10.96.0.10\n nameserver\tfd00::a\n#nameserver 1.1.1.1\n"),
            "10.96.0.10, fd00::a"
        );
        let error = SourceError::dns("x.invalid", "failed to lookup address information: Try again").to_string();
        assert!(
            error.starts_with("host \"x.invalid\" cannot be resolved by ") && error.contains(": Try again; check"),
            "{error}"
        );
        assert!(SourceError::dns("x.invalid", "").to_string().contains(": it is not known;"));
    }
}
