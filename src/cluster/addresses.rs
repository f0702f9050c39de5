//! The addresses of a Service that is made anew: those that clients know and the chart does not set are kept.

use serde_json::json;

use crate::value::Json;

/// The Service as wanted, with the cluster IP and node ports that the live one has and the wanted one leaves open;
/// nothing where there is none to keep.
pub(super) fn kept(wanted: &Json, live: &Json) -> Option<Json> {
    let service_type = wanted.pointer("/spec/type").and_then(Json::as_str).unwrap_or("ClusterIP");
    if service_type == "ExternalName" {
        return None;
    }
    let mut kept = wanted.clone();
    keep_cluster_ip(&mut kept, live);
    if matches!(service_type, "NodePort" | "LoadBalancer") {
        keep_node_ports(&mut kept, live);
    }
    (kept != *wanted).then_some(kept)
}

/// The fields of a live Service that [`kept`] reads.
pub(super) fn of(live: &Json) -> Json {
    let ports = live.pointer("/spec/ports").and_then(Json::as_array).into_iter().flatten();
    let known = |port: &Json| -> Json {
        let fields = ["name", "port", "protocol", "nodePort"].into_iter();
        fields.filter_map(|name| Some((name.to_owned(), port.get(name)?.clone()))).collect()
    };
    json!({"spec": {"clusterIP": live["spec"]["clusterIP"], "ports": ports.map(known).collect::<Vec<_>>()}})
}

/// The Service without anything that no two Services can have.
pub(super) fn without_addresses(service: &mut Json) {
    let Some(spec) = service.get_mut("spec").and_then(Json::as_object_mut) else { return };
    if spec.get("clusterIP").and_then(Json::as_str) != Some("None") {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    spec.remove("healthCheckNodePort");
    for port in spec.get_mut("ports").and_then(Json::as_array_mut).into_iter().flatten() {
        if let Some(port) = port.as_object_mut() {
            port.remove("nodePort");
        }
    }
}

fn keep_cluster_ip(wanted: &mut Json, live: &Json) {
    let is_set = |name: &str| wanted.pointer(name).is_some_and(|value| !value.is_null() && value != "");
    if is_set("/spec/clusterIP") || is_set("/spec/clusterIPs") {
        return;
    }
    let address = live.pointer("/spec/clusterIP").and_then(Json::as_str).filter(|address| !address.is_empty());
    if let Some(address) = address.filter(|address| *address != "None") {
        wanted["spec"]["clusterIP"] = address.into();
    }
}

/// Ports are the same ones where number and protocol are, or else the name.
fn keep_node_ports(wanted: &mut Json, live: &Json) {
    let live_ports = live.pointer("/spec/ports").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
    let wanted_ports = wanted.pointer_mut("/spec/ports").and_then(Json::as_array_mut);
    for port in wanted_ports.into_iter().flatten() {
        if port.get("nodePort").is_some_and(|number| !number.is_null()) {
            continue;
        }
        let same_number = live_ports.iter().find(|old| number(old) == number(port));
        let same_name =
            || live_ports.iter().find(|old| old.get("name").is_some() && old.get("name") == port.get("name"));
        let node_port = same_number.or_else(same_name).and_then(|old| old.get("nodePort"));
        if let Some(node_port) = node_port.filter(|number| number.as_i64().is_some_and(|number| number > 0)) {
            port["nodePort"] = node_port.clone();
        }
    }
}

fn number(port: &Json) -> (Option<i64>, &str) {
    let protocol = port.get("protocol").and_then(Json::as_str).unwrap_or("TCP");
    (port.get("port").and_then(Json::as_i64), protocol)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live() -> Json {
        json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.7", "clusterIPs": ["10.0.0.7"], "ports": [
            {"name": "web", "port": 80, "protocol": "TCP", "nodePort": 30080},
            {"name": "dns", "port": 53, "protocol": "UDP", "nodePort": 30053},
        ]}})
    }

    #[test]
    fn what_the_chart_leaves_open_is_kept() {
        let wanted = json!({"spec": {"type": "NodePort", "ports": [
            {"name": "renamed", "port": 80}, {"name": "dns", "port": 5353}, {"name": "new", "port": 81},
        ]}});
        let expected = json!({"spec": {"type": "NodePort", "clusterIP": "10.0.0.7", "ports": [
            {"name": "renamed", "port": 80, "nodePort": 30080}, {"name": "dns", "port": 5353, "nodePort": 30053},
            {"name": "new", "port": 81},
        ]}});
        assert_eq!(kept(&wanted, &live()), Some(expected.clone()));
        assert_eq!(kept(&wanted, &of(&live())), Some(expected), "of the live one no more is needed");
    }

    #[test]
    fn what_the_chart_sets_counts() {
        let headless = json!({"spec": {"clusterIP": "None", "ports": [{"port": 80}]}});
        let named = json!({"spec": {"type": "ExternalName", "externalName": "example.org"}});
        let chosen =
            json!({"spec": {"type": "NodePort", "clusterIP": "10.0.0.9", "ports": [{"port": 80, "nodePort": 31000}]}});
        for wanted in [headless, named, chosen] {
            assert_eq!(kept(&wanted, &live()), None, "{wanted}");
        }
    }

    #[test]
    fn an_address_within_the_cluster_needs_no_node_ports() {
        let wanted = json!({"spec": {"ports": [{"port": 80}]}});
        let expected = json!({"spec": {"clusterIP": "10.0.0.7", "ports": [{"port": 80}]}});
        assert_eq!(kept(&wanted, &live()), Some(expected));
        assert_eq!(kept(&wanted, &json!({"spec": {"clusterIP": "None"}})), None);
    }
}
