//! Requests that live in a registered cluster: two control planes, one with the operator that serves both, and a third
//! cluster that is registered and away.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::elsewhere::Registered;
use crate::lent::{HOME, Lent};
use crate::support::{Operator, wait};
use crate::world::{LIMIT, Place, World, condition};

const REQUESTS: &str = "helmrequest";

/// An operator, and a cluster beside its own with requests of its own.
struct Stage<'a> {
    world: &'a World,
    place: Place<'a>,
    east: Lent,
    /// The namespace of the requests there.
    namespace: String,
}

impl Stage<'_> {
    fn ask(&self, name: &str, more: &Value) -> Result<()> {
        let values_from = json!([{"configMapKeyRef": {"name": "values", "key": "values.yaml"}}]);
        let mut spec = json!({"chart": "shared/hello", "valuesFrom": values_from});
        more.as_object().into_iter().flatten().for_each(|(field, value)| spec[field] = value.clone());
        let request = json!({
            "apiVersion": "app.alauda.io/v1", "kind": "HelmRequest", "metadata": {"name": name}, "spec": spec,
        });
        self.east.objects().apply(&self.namespace, &request)
    }

    fn values(&self, message: &str) -> Result<()> {
        let values = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "values"},
            "data": {"values.yaml": format!("message: {message}")},
        });
        self.east.objects().apply(&self.namespace, &values)
    }

    fn get(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        self.east.objects().get(&self.namespace, kind, name)
    }

    fn until(&self, kind: &str, name: &str, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
        let found = wait::until(LIMIT, what, || Ok(self.get(kind, name)?.filter(|object| holds(object))));
        found.with_context(|| {
            let log = self.world.log().unwrap_or_default();
            let last = log.lines().rev().take(20).collect::<Vec<_>>();
            format!("{kind} {name} is {:?}; the log ends, from behind: {last:#?}", self.get(kind, name))
        })
    }

    fn until_ready(&self, name: &str) -> Result<Value> {
        self.until(REQUESTS, name, &format!("{name} to be ready"), |request| {
            let is_ready = condition(request, "Ready").is_some_and(|ready| ready["status"] == "True");
            is_ready && request["status"]["observedGeneration"] == request["metadata"]["generation"]
        })
    }

    /// Waits until a request has failed with a reason, and gives the message.
    fn until_failed(&self, name: &str, reason: &str) -> Result<String> {
        let failed = self.until(REQUESTS, name, &format!("{name} to fail with {reason}"), |request| {
            condition(request, "Ready").is_some_and(|ready| ready["reason"] == reason)
        })?;
        Ok(condition(&failed, "Ready").map(|ready| ready["message"].to_string()).unwrap_or_default())
    }

    fn until_message(&self, name: &str, message: &str) -> Result<()> {
        let what = format!("{name} to say {message}");
        self.until("configmap", &format!("{name}-hello"), &what, |live| live["data"]["message"] == message).map(drop)
    }

    fn until_gone(&self, name: &str) -> Result<()> {
        wait::until(LIMIT, &format!("{name} to go"), || Ok(self.get(REQUESTS, name)?.is_none().then_some(())))
    }

    /// Who holds the lease there.
    fn holder(&self) -> Result<Option<String>> {
        let lease = self.east.objects().get(HOME, "leases.coordination.k8s.io", "coxswain")?;
        Ok(lease.and_then(|lease| lease["spec"]["holderIdentity"].as_str().map(str::to_owned)))
    }

    fn register(&self, name: &str, cluster: &Registered) -> Result<()> {
        cluster.objects(name).iter().try_for_each(|object| self.world.cluster.objects().apply(HOME, object))
    }

    fn served(&self) -> Result<String> {
        let metrics = self.world.metrics()?;
        let line = metrics.lines().find(|line| line.starts_with("coxswain_member_clusters "));
        Ok(line.unwrap_or_default().to_owned())
    }

    /// An operator that runs there goes first; when it ends, this one takes its place.
    fn take_over(&self) -> Result<()> {
        let own = Operator::start(&self.east, self.east.rights(), &["--identity=own"])?;
        self.values("one")?;
        self.ask("web", &json!({}))?;
        self.until_failed("web", "RepositoryNotFound")?;
        self.register("east", &Registered::of(&self.east)?)?;
        self.register("away", &Registered::of(&self.east)?.at("https://127.0.0.1:1"))?;
        wait::until(LIMIT, "the cluster that is away to be missed", || {
            Ok(self.world.log()?.contains("\"cluster\":\"away\"").then_some(()))
        })?;
        ensure!(self.holder()?.as_deref() == Some("own"), "{:?} has taken the lease", self.holder()?);
        ensure!(self.served()? == "coxswain_member_clusters 0", "{}", self.served()?);
        own.terminate(LIMIT)?;
        self.until_ready("web").map(drop)
    }

    /// Everything of a request is where it lives.
    fn serve(&self) -> Result<()> {
        self.until_message("web", "one")?;
        ensure!(self.served()? == "coxswain_member_clusters 1", "{}", self.served()?);
        let request = self.get(REQUESTS, "web")?.context("no request")?;
        ensure!(request["metadata"]["finalizers"] == json!(["captain.cpaas.io"]), "{request}");
        ensure!(self.get("secret", "sh.helm.release.v1.web.v1")?.is_some(), "no record");
        let here = self.world.cluster.objects().list_metadata(None, "secrets", "owner=helm")?;
        ensure!(here.is_empty(), "records in the operator's own cluster: {here:?}");
        self.values("two")?;
        self.until_message("web", "two")?;
        // The operator may not know yet that its write was made.
        self.east.objects().delete(&self.namespace, "configmap", "web-hello")?;
        self.until_message("web", "two")
    }

    /// A request there is for its own cluster, named or not, and for no other one.
    fn stay(&self) -> Result<()> {
        self.ask("named", &json!({"clusterName": "east", "dependsOn": [{"name": "web"}]}))?;
        self.until_ready("named")?;
        let alone = json!({"spec": {"dependsOn": null}});
        self.east.objects().merge(&self.namespace, REQUESTS, "named", &alone)?;
        for (name, field, which) in [
            ("one", "clusterName", json!("away")),
            ("all", "installToAllClusters", json!(true)),
            ("some", "clusterSelector", json!({"matchLabels": {"tier": "edge"}})),
        ] {
            self.ask(name, &json!({field: which}))?;
            let message = self.until_failed(name, "InvalidRequest")?;
            ensure!(message.contains(&format!("spec.{field}")) && message.contains("east"), "{message}");
            self.east.objects().delete(&self.namespace, REQUESTS, name)?;
            self.until_gone(name)?;
        }
        Ok(())
    }

    /// What happens while the cluster is away is made up for.
    fn come_back(&self) -> Result<()> {
        self.east.stop_apiserver();
        wait::until(LIMIT, "the cluster to be missed", || {
            Ok((self.served()? == "coxswain_member_clusters 0").then_some(()))
        })?;
        self.place.apply(&self.place.request("here", json!({"chart": "shared/hello"})))?;
        self.place.until_ready("here")?;
        self.place.delete(REQUESTS, "here")?;
        self.east.start_apiserver()?;
        self.values("three")?;
        self.until_message("web", "three")?;
        self.until_message("named", "three")?;
        self.east.objects().delete(&self.namespace, REQUESTS, "web")?;
        self.until_gone("web")?;
        ensure!(self.get("configmap", "web-hello")?.is_none(), "the release was not uninstalled");
        Ok(())
    }

    /// A cluster that is not registered any more is let go at once.
    fn let_go(&self) -> Result<()> {
        let objects = self.world.cluster.objects();
        for name in ["east", "away"] {
            objects.delete(HOME, "clusters.clusterregistry.k8s.io", name)?;
            objects.delete(HOME, "secret", &format!("{name}-token"))?;
        }
        wait::until(Duration::from_secs(10), "the lease to be given up", || {
            Ok((self.holder()?.as_deref() == Some("")).then_some(()))
        })?;
        self.values("four")?;
        std::thread::sleep(Duration::from_secs(2));
        let live = self.get("configmap", "named-hello")?.context("what is deployed stays")?;
        ensure!(live["data"]["message"] == "three", "{live}");
        Ok(())
    }
}

#[tokio::test]
async fn requests_that_live_elsewhere_are_served_there() -> Result<()> {
    let world = World::start_serving_members()?;
    let place = world.bare_place("members").await?;
    place.publish(&["hello-0.1.0"])?;
    let mut repository = place.repository("shared", &place.server.url());
    repository["metadata"]["namespace"] = HOME.into();
    world.cluster.objects().apply(HOME, &repository)?;
    let east = Lent::take()?;
    let namespace = east.namespace("members").await?;
    let stage = Stage { world: &world, place, east, namespace };
    stage.take_over()?;
    stage.serve()?;
    stage.stay()?;
    stage.come_back()?;
    stage.let_go()
}
