//! What the watch of requests shows, before anybody looks at it.

use kube::runtime::watcher;

use crate::api::HelmRequest;

/// Where `kubectl apply` keeps the object that it applied last.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// What there is to look at after an event. The store takes a list over at its end, so what a list shows is told then:
/// before, a request that is new in it would be looked for in vain, and nothing would tell of it again.
pub(super) fn once_stored(
    listed: &mut Vec<HelmRequest>,
    event: watcher::Result<watcher::Event<HelmRequest>>,
) -> Vec<watcher::Result<watcher::Event<HelmRequest>>> {
    match event {
        Ok(watcher::Event::Init) => listed.clear(),
        Ok(watcher::Event::InitApply(request)) => listed.push(request),
        Ok(watcher::Event::InitDone) => {
            return std::mem::take(listed).into_iter().map(watcher::Event::Apply).map(Ok).collect();
        }
        event => return vec![event],
    }
    Vec::new()
}

/// Takes out of a request what is never looked at and may be as long as all the rest: who wrote which field, and what
/// `kubectl apply` keeps of its last object.
pub(super) fn forget_what_is_not_asked(request: &mut HelmRequest) {
    request.metadata.managed_fields = None;
    if let Some(annotations) = &mut request.metadata.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;
    use kube::runtime::watcher::Event;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_list_shows_is_told_when_the_list_is_over() {
        let request = |name: &str| -> HelmRequest {
            let metadata = json!({"name": name, "namespace": "demo"});
            let object =
                json!({"apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "metadata": metadata, "spec": {}});
            serde_json::from_value(object).expect("a request")
        };
        let mut listed = Vec::new();
        let mut told = |event: Event<HelmRequest>| -> Vec<String> {
            let events = once_stored(&mut listed, Ok(event)).into_iter();
            let name = |event: watcher::Result<Event<HelmRequest>>| match event {
                Ok(Event::Apply(request)) => Some(request.name_any()),
                _ => None,
            };
            events.filter_map(name).collect()
        };
        assert_eq!(told(Event::Apply(request("first"))), ["first"]);
        assert!(told(Event::Init).is_empty() && told(Event::InitApply(request("lost"))).is_empty());
        // The list breaks off, and another one begins.
        assert!(told(Event::Init).is_empty());
        assert!(
            told(Event::InitApply(request("first"))).is_empty() && told(Event::InitApply(request("new"))).is_empty()
        );
        assert_eq!(told(Event::InitDone), ["first", "new"]);
        assert!(told(Event::InitDone).is_empty());
    }
}
