import dev.captain.v1.ApiClient;
import dev.captain.v1.ApiException;
import dev.captain.v1.api.AppAlaudaIoV1Api;
import dev.captain.v1.model.IoAlaudaAppV1HelmRequest;
import dev.captain.v1.model.IoAlaudaAppV1HelmRequestSpec;
import dev.captain.v1.model.IoAlaudaAppV1HelmRequestStatus;
import dev.captain.v1.model.IoK8sApimachineryPkgApisMetaV1DeleteOptions;
import dev.captain.v1.model.IoK8sApimachineryPkgApisMetaV1ObjectMeta;
import java.net.http.HttpClient;
import java.util.Map;

/**
 * Installs, changes and deletes a release with the client that was generated from the API server's description of our
 * kinds: Install ADDRESS NAMESPACE NAME, with an address that asks for no token, such as that of kubectl proxy.
 */
public final class Install {
  private final AppAlaudaIoV1Api api;
  private final String namespace;
  private final String name;

  private Install(String address, String namespace, String name) {
    ApiClient client = new ApiClient();
    // Without TLS, Java asks for a change to HTTP/2 that the API server takes for one to another protocol.
    client.setHttpClientBuilder(HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1));
    client.updateBaseUri(address);
    this.api = new AppAlaudaIoV1Api(client);
    this.namespace = namespace;
    this.name = name;
  }

  public static void main(String[] arguments) throws Exception {
    Install store = new Install(arguments[0], arguments[1], arguments[2]);
    store.install();
    store.change();
    store.delete();
  }

  private void install() throws Exception {
    IoAlaudaAppV1HelmRequestSpec spec =
        new IoAlaudaAppV1HelmRequestSpec()
            .chart("charts/hello")
            .version("0.1.0")
            .namespace(namespace)
            .releaseName(name)
            .values(Map.of("replicas", 2, "image", Map.of("tag", "2.1.0")));
    IoAlaudaAppV1HelmRequest request =
        new IoAlaudaAppV1HelmRequest()
            .apiVersion("app.alauda.io/v1")
            .kind("HelmRequest")
            .metadata(new IoK8sApimachineryPkgApisMetaV1ObjectMeta().name(name))
            .spec(spec);
    api.createAppAlaudaIoV1NamespacedHelmRequest(namespace, request, null, null, null, null);
    untilDeployed(1);
  }

  /** Replaces the whole object, and reads it again where somebody else was faster. */
  private void change() throws Exception {
    while (true) {
      IoAlaudaAppV1HelmRequest request = read();
      request.getSpec().version("0.2.0");
      try {
        api.replaceAppAlaudaIoV1NamespacedHelmRequest(name, namespace, request, null, null, null, null);
        break;
      } catch (ApiException conflict) {
        if (conflict.getCode() != 409) {
          throw conflict;
        }
      }
    }
    untilDeployed(2);
  }

  private void delete() throws Exception {
    IoK8sApimachineryPkgApisMetaV1DeleteOptions options =
        new IoK8sApimachineryPkgApisMetaV1DeleteOptions().gracePeriodSeconds(0L).propagationPolicy("Foreground");
    try {
      api.deleteAppAlaudaIoV1NamespacedHelmRequest(name, namespace, null, null, null, null, null, null, options);
    } catch (ApiException unreadable) {
      // The answer is the object while it has finalizers; Kubernetes describes it as a Status, which cannot be read.
      if (unreadable.getCode() >= 400) {
        throw unreadable;
      }
    }
    for (int i = 0; i < 600; i++) {
      try {
        read();
      } catch (ApiException gone) {
        if (gone.getCode() == 404) {
          System.out.println("deleted");
          return;
        }
        throw gone;
      }
      Thread.sleep(100);
    }
    throw new IllegalStateException(name + " is still there");
  }

  private IoAlaudaAppV1HelmRequest read() throws ApiException {
    return api.readAppAlaudaIoV1NamespacedHelmRequest(name, namespace, null, null);
  }

  private void untilDeployed(long revision) throws Exception {
    for (int i = 0; i < 600; i++) {
      IoAlaudaAppV1HelmRequestStatus status = read().getStatus();
      if (status != null
          && status.getPhase() == IoAlaudaAppV1HelmRequestStatus.PhaseEnum.SYNCED
          && status.getRevision() == revision) {
        System.out.println("revision " + revision + ": chart version " + status.getVersion());
        return;
      }
      Thread.sleep(100);
    }
    throw new IllegalStateException(name + " is not at revision " + revision);
  }
}
