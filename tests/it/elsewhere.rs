//! Requests that are deployed into another cluster than their own: two control planes, one registered by a Cluster object
//! and one by a kubeconfig, beside the one with the operator.

use anyhow::{Context, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::lent::{HOME, Lent};
use crate::plugin::{captain_as, printed, refused};
use crate::support::wait;
use crate::world::{LIMIT, Place, World, condition};

/// How a control plane is reached by the operator's account there.
pub struct Registered {
    server: String,
    authority: Vec<u8>,
    token: String,
}

impl Registered {
    /// A control plane as it is.
    pub fn of(cluster: &Lent) -> Result<Self> {
        let config: Value = serde_json::from_slice(&std::fs::read(cluster.rights())?)?;
        let known = &config["clusters"][0]["cluster"];
        let authority = std::fs::read(known["certificate-authority"].as_str().context("no authority")?)?;
        let token = config["users"][0]["user"]["token"].as_str().context("no token")?.to_owned();
        Ok(Self { server: cluster.url(), authority, token })
    }

    /// A Secret and a Cluster object that register it in the operator's namespace.
    pub fn objects(&self, name: &str) -> [Value; 2] {
        let secret = secret(&format!("{name}-token"), &Value::Null, "token", &self.token);
        [secret, self.object(name, &self.authority)]
    }

    /// The same at another address.
    pub fn at(self, server: &str) -> Self {
        Self { server: server.to_owned(), ..self }
    }

    fn object(&self, name: &str, authority: &[u8]) -> Value {
        json!({
            "apiVersion": "clusterregistry.k8s.io/v1alpha1", "kind": "Cluster",
            "metadata": {"name": name, "namespace": HOME},
            "spec": {
                "kubernetesApiEndpoints": {
                    "serverEndpoints": [{"clientCIDR": "0.0.0.0/0", "serverAddress": self.server}],
                    "caBundle": STANDARD.encode(authority),
                },
                "authInfo": {"controller": {"kind": "Secret", "name": format!("{name}-token"), "namespace": HOME}},
            },
        })
    }

    fn kubeconfig(&self) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "there",
            "clusters": [{"name": "there", "cluster": {
                "server": self.server, "certificate-authority-data": STANDARD.encode(&self.authority),
            }}],
            "users": [{"name": "there", "user": {"token": self.token}}],
            "contexts": [{"name": "there", "context": {"cluster": "there", "user": "there"}}],
        })
        .to_string()
    }
}

fn secret(name: &str, labels: &Value, key: &str, text: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": HOME, "labels": labels},
        "data": {key: STANDARD.encode(text)},
    })
}

/// An operator with two clusters beside its own.
struct Stage<'a> {
    world: &'a World,
    place: Place<'a>,
    east: Lent,
    west: Lent,
}

impl Stage<'_> {
    /// A request for one cluster, with values of the namespace here.
    fn request(&self, name: &str, cluster: &str) -> Result<()> {
        let values_from = json!([{"configMapKeyRef": {"name": "values", "key": "values.yaml"}}]);
        let spec = json!({
            "chart": "charts/hello", "clusterName": cluster, "createNamespace": true, "valuesFrom": values_from,
        });
        self.place.apply(&self.place.request(name, spec))
    }

    /// A request for several clusters.
    fn several(&self, name: &str, field: &str, which: &Value) -> Result<()> {
        let spec = json!({"chart": "charts/hello", "createNamespace": true, field: which});
        self.place.apply(&self.place.request(name, spec))
    }

    fn values(&self, message: &str) -> Result<()> {
        self.place.apply(&json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "values"},
            "data": {"values.yaml": format!("message: {message}")},
        }))
    }

    /// What a release in a cluster says.
    fn message(&self, cluster: &Lent, release: &str) -> Result<Option<String>> {
        let live = cluster.objects().get(&self.place.namespace, "configmap", &format!("{release}-hello"))?;
        Ok(live.and_then(|live| live["data"]["message"].as_str().map(str::to_owned)))
    }

    fn until_message(&self, cluster: &Lent, release: &str, message: &str) -> Result<()> {
        let what = format!("{release} to say {message}");
        wait::until(LIMIT, &what, || Ok((self.message(cluster, release)?.as_deref() == Some(message)).then_some(())))
    }

    fn until_gone(&self, name: &str) -> Result<()> {
        let what = format!("request {name} to go");
        wait::until(LIMIT, &what, || Ok(self.place.get("helmrequest", name)?.is_none().then_some(())))
    }

    fn until_synced_in(&self, name: &str, clusters: &[&str]) -> Result<()> {
        let is_synced = |request: &Value| request["status"]["syncedClusters"] == json!(clusters);
        self.place.until("helmrequest", name, "it to be in its clusters", is_synced).map(drop)
    }

    /// Registers a cluster piece by piece: what is missing or wrong has a reason of its own, and each cure counts.
    fn register(&self) -> Result<()> {
        let (place, east, west) = (&self.place, Registered::of(&self.east)?, Registered::of(&self.west)?);
        self.values("one")?;
        self.request("web", "east")?;
        place.until_failed("web", "ClusterNotFound")?;
        place.apply(&east.object("east", &west.authority))?;
        let message = place.until_failed("web", "CredentialsMissing")?;
        assert!(message.contains("east-token"), "{message}");
        place.apply(&secret("east-token", &Value::Null, "token", "nobodys-token"))?;
        place.until_failed("web", "TLSNotTrusted")?;
        place.apply(&east.object("east", &east.authority))?;
        place.until_failed("web", "AuthenticationRequired")?;
        place.apply(&secret("east-token", &Value::Null, "token", &format!("{}\n", east.token)))?;
        place.until_ready("web").map(drop)
    }

    /// What happens there is noticed, and so is what happens here.
    fn observe(&self) -> Result<()> {
        let Self { place, east, .. } = self;
        self.until_message(east, "web", "one")?;
        assert_eq!(place.get("configmap", "web-hello")?, None, "nothing is deployed where the request lives");
        assert_eq!(place.get("secret", "sh.helm.release.v1.web.v1")?, None);
        east.objects().delete(&place.namespace, "configmap", "web-hello")?;
        self.until_message(east, "web", "one")?;
        place.until_event("web", "DriftRepaired", "cluster east: ConfigMap")?;
        self.values("two")?;
        self.until_message(east, "web", "two")
    }

    /// A cluster with a kubeconfig; requests for it, for the other one, and for both.
    fn spread(&self) -> Result<()> {
        let labels = json!({"coxswain.dev/cluster": "west"});
        let kubeconfig = Registered::of(&self.west)?.kubeconfig();
        self.place.apply(&secret("west-kubeconfig", &labels, "value", &kubeconfig))?;
        self.request("far", "west")?;
        self.request("left", "east")?;
        self.several("everywhere", "installToAllClusters", &json!(true))?;
        for name in ["web", "far", "left", "everywhere"] {
            self.place.until_ready(name)?;
        }
        self.until_synced_in("everywhere", &["east", "west"])
    }

    /// The command line finds releases where they are, as far as the caller may.
    fn look(&self) -> Result<()> {
        let place = &self.place;
        let history = printed(place, &["history", "web", "-o", "json"])?;
        let history: Value = serde_json::from_str(&history)?;
        assert_eq!(history.as_array().map(Vec::len), Some(2), "{history}");
        assert_eq!(printed(place, &["get", "values", "web"])?, "message: two\n");
        assert_eq!(
            printed(place, &["diff", "web", "--live"])?,
            "web: revision 2 -> the cluster\n\n0 added, 0 changed, 0 removed\n"
        );
        let status = printed(place, &["status", "web"])?;
        assert!(status.contains("of cluster east, revision 2") && status.contains("ReplicaSet/web-hello-"), "{status}");

        let way = printed(place, &["trace", "deployment/web-hello", "--cluster", "east", "-o", "name"])?;
        assert_eq!(way, "helmrequest.app.alauda.io/web\n");
        let told = printed(place, &["explain", "configmap/web-hello", ".data.message", "--cluster", "east"])?;
        assert!(told.contains("from ConfigMap values key values.yaml"), "{told}");

        let status = printed(place, &["status", "everywhere"])?;
        for words in ["├─ Cluster/east ", "└─ Cluster/west ", "Current   revision 1, version 0.1.0"] {
            assert!(status.contains(words), "{status}");
        }
        let message = refused(place, &["history", "everywhere"])?;
        assert!(message.contains("choose with --cluster: \"east\", \"west\""), "{message}");
        assert!(printed(place, &["history", "everywhere", "--cluster", "west"])?.contains("Install complete"));
        let message = refused(place, &["history", "everywhere", "--cluster", "north"])?;
        assert!(message.contains("not installed into cluster \"north\"; it is in \"east\", \"west\""), "{message}");

        place.kubectl(&["create", "serviceaccount", "reader"])?;
        place.kubectl(&["create", "role", "reader", "--verb=get,list", "--resource=helmrequests.app.alauda.io"])?;
        let subject = format!("--serviceaccount={}:reader", place.namespace);
        place.kubectl(&["create", "rolebinding", "reader", "--role=reader", &subject])?;
        let rights = self.world.cluster.service_account_kubeconfig(&place.namespace, "reader")?;
        let history = captain_as(&rights, place, &["history", "web"])?;
        assert_eq!(history.code, Some(1), "{}", history.stdout);
        for word in ["cluster \"east\"", "clusters.clusterregistry.k8s.io", HOME, "--context"] {
            assert!(history.stderr.contains(word), "{word}: {}", history.stderr);
        }
        let status = captain_as(&rights, place, &["status", "web"])?;
        assert!(status.success && status.stdout.contains("Not all objects are shown"), "{}", status.stderr);
        Ok(())
    }

    /// What a request depends on may be in another cluster and in another namespace than its own.
    fn depend(&self, namespace: &str) -> Result<()> {
        let (place, unready) = (&self.place, json!({"podLabels": {"kwok-unready": "true"}}));
        let spec = json!({"chart": "charts/hello", "clusterName": "east", "createNamespace": true, "values": unready});
        place.apply(&place.request("db", spec))?;
        let dependencies = json!([{"name": "db"}]);
        let spec = json!({
            "chart": "charts/hello", "clusterName": "west", "createNamespace": true, "dependsOn": dependencies,
        });
        place.apply(&place.request("app", spec))?;
        let objects = self.world.cluster.objects();
        let [mut charts, mut front] = [
            place.repository("charts", &place.server.url()),
            place.request(
                "front",
                json!({"chart": "charts/hello", "dependsOn": [{"name": "app", "namespace": place.namespace}]}),
            ),
        ];
        for object in [&mut charts, &mut front] {
            object["metadata"]["namespace"] = namespace.into();
            objects.apply(namespace, object)?;
        }
        let waits_for = |request: &Value, what: &str| {
            condition(request, "Ready").is_some_and(|ready| {
                ready["reason"] == "DependencyNotReady" && ready["message"].to_string().contains(what)
            })
        };
        place.until("helmrequest", "app", "it to wait", |app| waits_for(app, "is not ready: NotReady"))?;
        let front = || anyhow::Ok(objects.get(namespace, "helmrequest", "front")?.unwrap_or_default());
        let app = format!("{}/app", place.namespace);
        wait::until(LIMIT, "the last of them to wait", || Ok(waits_for(&front()?, &app).then_some(())))?;
        assert_eq!(self.message(&self.west, "app")?, None);
        place.merge("helmrequest", "db", &json!({"spec": {"values": {"podLabels": null}}}))?;
        self.until_message(&self.west, "app", "hello")?;
        let is_ready = |front: &Value| condition(front, "Ready").is_some_and(|ready| ready["status"] == "True");
        wait::until(LIMIT, "the last of them to be ready", || Ok(is_ready(&front()?).then_some(())))
    }

    /// A cluster that is away delays nobody else, and loses nothing.
    fn miss(&self) -> Result<()> {
        let Self { place, west, .. } = self;
        let is_missed =
            |request: &Value| condition(request, "Ready").is_some_and(|ready| ready["reason"] == "ClusterUnreachable");
        let status = place.until("helmrequest", "web", "the cluster to be missed", is_missed)?["status"].take();
        assert_eq!((&status["phase"], &status["objects"]["ready"]), (&json!("Synced"), &status["objects"]["total"]));
        self.values("three")?;
        self.until_message(west, "far", "three")?;
        self.several("all", "installToAllClusters", &json!(true))?;
        place.until("helmrequest", "all", "one cluster to have it and the other to be missed", |request| {
            let status = &request["status"];
            status["phase"] == "PartialSynced" && status["clusters"][0]["reason"] == "ClusterUnreachable"
        })?;
        self.until_synced_in("all", &["west"])
    }

    /// What is deleted meanwhile waits, unless it may be left behind.
    fn abandon(&self) -> Result<()> {
        let place = &self.place;
        for name in ["web", "left", "everywhere"] {
            place.delete("helmrequest", name)?;
        }
        place.until("helmrequest", "web", "what holds the deletion up", |request| {
            condition(request, "Ready")
                .is_some_and(|ready| ready["message"].to_string().contains("coxswain.dev/abandon"))
        })?;
        for name in ["left", "everywhere"] {
            let abandon = json!({"metadata": {"annotations": {"coxswain.dev/abandon": "west, east"}}});
            place.merge("helmrequest", name, &abandon)?;
            self.until_gone(name)?;
            place.until_event(name, "Abandoned", "east")?;
        }
        let kept = self.message(&self.west, "everywhere")?;
        assert_eq!(kept, None, "a cluster that can be reached is not abandoned");
        assert!(place.get("helmrequest", "web")?.is_some());
        Ok(())
    }

    fn come_back(&self) -> Result<()> {
        self.until_gone("web")?;
        assert_eq!(self.message(&self.east, "web")?, None);
        assert_eq!(self.message(&self.east, "left")?.as_deref(), Some("two"), "what was left behind is there");
        assert_eq!(self.message(&self.east, "everywhere")?.as_deref(), Some("hello"));
        self.place.until_ready("all")?;
        self.until_synced_in("all", &["east", "west"])
    }

    /// What is registered later gets it too; what loses its labels loses its release.
    fn register_later(&self) -> Result<()> {
        let Self { place, world, .. } = self;
        let own = Registered::of(&world.cluster)?.kubeconfig();
        place.apply(&secret("own", &json!({"coxswain.dev/cluster": "own", "tier": "edge"}), "value", &own))?;
        self.until_synced_in("all", &["east", "own", "west"])?;
        self.several("edge", "clusterSelector", &json!({"matchLabels": {"tier": "edge"}}))?;
        place.until_ready("edge")?;
        self.until_synced_in("edge", &["own"])?;
        world.cluster.objects().merge(HOME, "secret", "own", &json!({"metadata": {"labels": {"tier": null}}}))?;
        place.until("helmrequest", "edge", "no cluster to be left", |edge| edge["status"]["clusters"].is_null())?;
        assert_eq!(place.get("configmap", "edge-hello")?, None);
        Ok(())
    }

    /// Leaves the operator's namespace, which others use after this, as it was.
    fn clean(&self) -> Result<()> {
        for name in ["far", "all", "edge", "app", "db"] {
            self.place.delete("helmrequest", name)?;
            self.until_gone(name)?;
        }
        assert_eq!(self.message(&self.east, "all")?, None);
        let objects = self.world.cluster.objects();
        for name in ["east-token", "west-kubeconfig", "own"] {
            objects.delete(HOME, "secret", name)?;
        }
        objects.delete(HOME, "clusters.clusterregistry.k8s.io", "east")
    }
}

#[tokio::test]
async fn a_request_is_served_in_the_clusters_that_it_names_and_waits_for_them() -> Result<()> {
    let world = World::start()?;
    let place = world.place("elsewhere", &["hello-0.1.0"]).await?;
    let stage = Stage { world: &world, place, east: Lent::take()?, west: Lent::take()? };
    stage.register()?;
    stage.observe()?;
    stage.spread()?;
    stage.look()?;
    stage.depend(&world.cluster.namespace("elsewhere-front").await?)?;
    stage.east.stop_apiserver();
    stage.miss()?;
    stage.abandon()?;
    stage.east.start_apiserver()?;
    stage.come_back()?;
    stage.register_later()?;
    stage.clean()?;
    let log = world.log()?;
    for cluster in [&stage.east, &stage.west] {
        assert!(!log.contains(&Registered::of(cluster)?.token), "a token was logged");
    }
    Ok(())
}
