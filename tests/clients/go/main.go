// Installs, changes and deletes a release with the client that was generated from the API server's description of our
// kinds: install ADDRESS NAMESPACE NAME, with an address that asks for no token, such as that of kubectl proxy.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	v1 "example.com/captain/client-v1"
)

type store struct {
	api             *v1.AppAlaudaIoV1APIService
	namespace, name string
}

func main() {
	config := v1.NewConfiguration()
	config.Servers = v1.ServerConfigurations{{URL: os.Args[1]}}
	s := store{v1.NewAPIClient(config).AppAlaudaIoV1API, os.Args[2], os.Args[3]}
	for _, step := range []func() error{s.install, s.change, s.delete} {
		if err := step(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func (s store) install() error {
	spec := v1.NewIoAlaudaAppV1HelmRequestSpec()
	spec.SetChart("charts/hello")
	spec.SetVersion("0.1.0")
	spec.SetNamespace(s.namespace)
	spec.SetReleaseName(s.name)
	spec.SetValues(map[string]interface{}{"replicas": 2, "image": map[string]interface{}{"tag": "2.1.0"}})
	metadata := v1.NewIoK8sApimachineryPkgApisMetaV1ObjectMeta()
	metadata.SetName(s.name)
	request := v1.NewIoAlaudaAppV1HelmRequest(*spec)
	request.SetApiVersion("app.alauda.io/v1")
	request.SetKind("HelmRequest")
	request.SetMetadata(*metadata)
	call := s.api.CreateAppAlaudaIoV1NamespacedHelmRequest(context.Background(), s.namespace)
	if _, _, err := call.IoAlaudaAppV1HelmRequest(*request).Execute(); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	return s.untilDeployed(1)
}

// change replaces the whole object, and reads it again where somebody else was faster.
func (s store) change() error {
	for {
		request, err := s.read()
		if err != nil {
			return err
		}
		request.Spec.SetVersion("0.2.0")
		call := s.api.ReplaceAppAlaudaIoV1NamespacedHelmRequest(context.Background(), s.name, s.namespace)
		_, answer, err := call.IoAlaudaAppV1HelmRequest(*request).Execute()
		switch {
		case err == nil:
			return s.untilDeployed(2)
		case answer == nil || answer.StatusCode != http.StatusConflict:
			return fmt.Errorf("replace: %w", err)
		}
	}
}

func (s store) delete() error {
	options := v1.NewIoK8sApimachineryPkgApisMetaV1DeleteOptions()
	options.SetGracePeriodSeconds(0)
	options.SetPropagationPolicy("Foreground")
	call := s.api.DeleteAppAlaudaIoV1NamespacedHelmRequest(context.Background(), s.name, s.namespace)
	// The answer is the object while it has finalizers; Kubernetes describes it as a Status, which cannot be read.
	_, answer, err := call.IoK8sApimachineryPkgApisMetaV1DeleteOptions(*options).Execute()
	if answer == nil || answer.StatusCode != http.StatusOK {
		return fmt.Errorf("delete: %w", err)
	}
	for range 600 {
		call := s.api.ReadAppAlaudaIoV1NamespacedHelmRequest(context.Background(), s.name, s.namespace)
		if _, answer, _ := call.Execute(); answer != nil && answer.StatusCode == http.StatusNotFound {
			fmt.Println("deleted")
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("%s is still there", s.name)
}

func (s store) read() (*v1.IoAlaudaAppV1HelmRequest, error) {
	request, _, err := s.api.ReadAppAlaudaIoV1NamespacedHelmRequest(context.Background(), s.name, s.namespace).Execute()
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return request, nil
}

func (s store) untilDeployed(revision int64) error {
	for range 600 {
		request, err := s.read()
		if err != nil {
			return err
		}
		if status := request.GetStatus(); status.GetPhase() == "Synced" && status.GetRevision() == revision {
			fmt.Printf("revision %d: chart version %s\n", revision, status.GetVersion())
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return fmt.Errorf("%s is not at revision %d", s.name, revision)
}
