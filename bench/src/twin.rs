//! Containers and networks that equal a Space's, made from what the engine says of a real one: so they are
//! equal whatever a Space is made of by then. Pure.

use serde_json::{Map, Value, json};

/// What a twin does not share with the Space.
pub(crate) struct Own<'a> {
    pub(crate) label: (&'a str, &'a str),
    /// Of the container's network.
    pub(crate) network: &'a str,
}

/// The body that makes a container with the limits, rights and settings of `inspected`.
pub(crate) fn container(inspected: &Value, own: &Own<'_>) -> Value {
    const KEPT: [&str; 9] = [
        "Hostname",
        "User",
        "Image",
        "Entrypoint",
        "Cmd",
        "WorkingDir",
        "Healthcheck",
        "StopSignal",
        "StopTimeout",
    ];
    let mut body = kept(inspected.get("Config"), &KEPT);
    let mut host = inspected.get("HostConfig").cloned().unwrap_or_default();
    if let Some(host) = host.as_object_mut() {
        host.insert("NetworkMode".to_owned(), json!(own.network));
    }
    body.insert("HostConfig".to_owned(), host);
    body.insert("Labels".to_owned(), label(own));
    Value::Object(body)
}

/// The body that makes a network of the kind of `inspected`, elsewhere.
pub(crate) fn network(inspected: &Value, own: &Own<'_>, subnet: &str, interface: &str) -> Value {
    let mut body = kept(Some(inspected), &["Driver", "Internal", "EnableIPv6", "Options"]);
    let interface = json!(interface);
    if let Some(options) = body.get_mut("Options").and_then(Value::as_object_mut) {
        options.insert("com.docker.network.bridge.name".to_owned(), interface);
    }
    body.insert("Name".to_owned(), json!(own.network));
    body.insert("IPAM".to_owned(), json!({ "Config": [{ "Subnet": subnet }] }));
    body.insert("Labels".to_owned(), label(own));
    Value::Object(body)
}

fn kept(from: Option<&Value>, names: &[&str]) -> Map<String, Value> {
    let value = |name: &str| Some((name.to_owned(), from?.get(name)?.clone()));
    names.iter().filter_map(|name| value(name)).collect()
}

fn label(own: &Own<'_>) -> Value {
    let (label, run) = own.label;
    json!({ label: run })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Own<'static> = Own { label: ("dev.spaces.bench", "x"), network: "other" };

    #[test]
    fn a_twin_has_the_limits_of_the_original_and_a_network_of_its_own() {
        let inspected = json!({
            "Id": "1",
            "Config": { "Image": "i", "Labels": { "dev.spaces.installation": "a" } },
            "HostConfig": { "Memory": 5, "NetworkMode": "first" },
        });
        let expected = json!({
            "Image": "i",
            "Labels": { "dev.spaces.bench": "x" },
            "HostConfig": { "Memory": 5, "NetworkMode": "other" },
        });
        assert_eq!(container(&inspected, &OWN), expected);
    }

    #[test]
    fn a_twin_of_a_network_differs_in_name_subnet_and_interface() {
        let inspected = json!({
            "Name": "first", "Driver": "bridge", "Internal": false,
            "Options": { "com.docker.network.bridge.name": "s1", "o": "p" },
        });
        let expected = json!({
            "Name": "other", "Driver": "bridge", "Internal": false,
            "IPAM": { "Config": [{ "Subnet": "10.0.0.0/29" }] },
            "Options": { "com.docker.network.bridge.name": "s2", "o": "p" },
            "Labels": { "dev.spaces.bench": "x" },
        });
        assert_eq!(network(&inspected, &OWN, "10.0.0.0/29", "s2"), expected);
    }
}
