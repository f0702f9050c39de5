// Command build builds the programs of the test control plane into a folder.
//
//	build FOLDER
//
// It is run by build.sh, which chooses the folder. What is already in the folder
// stays; several builds of the same folder wait for one another.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// kubernetesVersion and helmVersion repeat go.mod: a build from a module does not
// carry its version, and charts refuse a server that says v0.0.0.
const (
	kubernetesVersion = "v1.37.1"
	helmVersion       = "v4.3.1"
	helm3Version      = "v3.22.0"
)

type program struct {
	name, source, purpose string
}

// programs is in the order of need: whoever waits for helm waits least.
var programs = []program{
	{"reaper", "./cmd/reaper", "ends the servers when the tests end"},
	{"credentials", "./cmd/credentials", "makes keys and certificates"},
	{"helm", "helm.sh/helm/v4/cmd/helm", "the real Helm"},
	{"helm3", "helm.sh/helm/v3/cmd/helm", "the real Helm of version 3"},
	{"registry", "github.com/distribution/distribution/v3/cmd/registry", "a registry for charts"},
	{"etcd", "./cmd/etcd", "the store behind the API server"},
	{"kubectl", "k8s.io/kubernetes/cmd/kubectl", "the Kubernetes command line"},
	{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver", "the API server, the longest of them"},
	{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager", "Deployments, Jobs, garbage collection"},
	{"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler", "puts pods on nodes"},
	{"kwok", "sigs.k8s.io/kwok/cmd/kwok", "simulates the nodes"},
}

// assets are the programs a KUBEBUILDER_ASSETS folder may offer.
var assets = map[string]bool{"etcd": true, "kube-apiserver": true, "kubectl": true}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: build FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "build of the test control plane failed:", err)
		os.Exit(1)
	}
}

func run(folder string) error {
	unlock, err := lock(filepath.Join(folder, "lock"))
	if err != nil {
		return err
	}
	defer unlock()

	removeUnfinished(folder)
	lacking := lackingIn(folder)
	if len(lacking) > 2 {
		say("Building the programs of the test control plane into %s.", folder)
		say("This is done once; it takes about ten minutes on two cores, and later runs start at once.")
	}
	for index, program := range lacking {
		if err := provide(program, folder, fmt.Sprintf("[%d/%d]", index+1, len(lacking))); err != nil {
			return fmt.Errorf("%s: %w", program.name, err)
		}
	}
	removeUnused(filepath.Dir(folder))
	return os.WriteFile(filepath.Join(folder, "complete"), nil, 0o644)
}

// removeUnused removes the folders of former versions, half a gigabyte each, that
// nobody has asked for in a month: build.sh touches "complete" at every use.
func removeUnused(cache string) {
	marks, _ := filepath.Glob(filepath.Join(cache, "*", "complete"))
	for _, mark := range marks {
		used, err := os.Stat(mark)
		if err == nil && time.Since(used.ModTime()) > 30*24*time.Hour {
			_ = os.RemoveAll(filepath.Dir(mark))
		}
	}
}

// removeUnfinished removes what a build left that was killed.
func removeUnfinished(folder string) {
	unfinished, _ := filepath.Glob(filepath.Join(folder, "*.unfinished"))
	for _, path := range unfinished {
		_ = os.Remove(path)
	}
}

// lock waits for the only right to write to the folder. The kernel holds it and
// gives it up when this process ends, whatever way that is.
func lock(path string) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	descriptor := int(file.Fd())
	if syscall.Flock(descriptor, syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		say("Waiting for another build of the test control plane to finish.")
		if err := syscall.Flock(descriptor, syscall.LOCK_EX); err != nil {
			return nil, err
		}
	}
	return func() { _ = file.Close() }, nil
}

func lackingIn(folder string) []program {
	var lacking []program
	for _, program := range programs {
		if _, err := os.Stat(filepath.Join(folder, program.name)); err != nil {
			lacking = append(lacking, program)
		}
	}
	return lacking
}

// provide links the program from KUBEBUILDER_ASSETS or builds it. It appears in
// the folder under its name only when it is whole.
func provide(program program, folder, progress string) error {
	target := filepath.Join(folder, program.name)
	unfinished := fmt.Sprintf("%s.%d.unfinished", target, os.Getpid())
	defer os.Remove(unfinished)

	if asset := assetOf(program.name); asset != "" {
		say("%s taking %s from %s", progress, program.name, asset)
		if err := os.Symlink(asset, unfinished); err != nil {
			return err
		}
		return os.Rename(unfinished, target)
	}

	say("%s building %s (%s)", progress, program.name, program.purpose)
	started := time.Now()
	build := exec.Command("go", "build", "-p", "2", "-trimpath", "-ldflags", linkerFlags(), "-o", unfinished, program.source)
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	say("%s %s done in %s", progress, program.name, time.Since(started).Round(time.Second))
	return os.Rename(unfinished, target)
}

func assetOf(name string) string {
	offered := os.Getenv("KUBEBUILDER_ASSETS")
	if offered == "" || !assets[name] {
		return ""
	}
	path, err := filepath.Abs(filepath.Join(offered, name))
	if err != nil {
		return ""
	}
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

func linkerFlags() string {
	major, minor, _ := strings.Cut(strings.TrimPrefix(kubernetesVersion, "v"), ".")
	minor, _, _ = strings.Cut(minor, ".")
	const version = "k8s.io/component-base/version."
	return strings.Join([]string{
		"-s", "-w",
		"-X", version + "gitVersion=" + kubernetesVersion,
		"-X", version + "gitMajor=" + major,
		"-X", version + "gitMinor=" + minor,
		"-X", "helm.sh/helm/v4/internal/version.version=" + helmVersion,
		"-X", "helm.sh/helm/v3/internal/version.version=" + helm3Version,
	}, " ")
}

func say(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
}
