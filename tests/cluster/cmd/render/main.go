// Command render renders charts with Helm's own packages and tells how much CPU time
// that took, for `make bench-render` to compare with.
//
// Every line of standard input is a task, every line of standard output the answer
// to one:
//
//	{"chart": "a.tgz", "values": "b.yaml", "renders": 10}
//	{"cpu": 0.123, "renders": 10}
//
// A task says how many renders to make, or for how many seconds of CPU time to
// render. Cold, which is the default, every render reads the archive and loads the
// chart anew; with "warm" a chart that was loaded and rendered before is rendered again. A
// render is `action.Install` as `helm template` calls it. CPU time is that of the
// whole process, garbage collection included.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"syscall"
	"time"

	"helm.sh/helm/v4/pkg/action"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"sigs.k8s.io/yaml"
)

type task struct {
	Chart   string  `json:"chart"`
	Values  string  `json:"values"`
	Warm    bool    `json:"warm"`
	Renders int     `json:"renders"`
	Seconds float64 `json:"seconds"`
}

type answer struct {
	CPU     float64 `json:"cpu"`
	Renders int     `json:"renders"`
	Error   string  `json:"error,omitempty"`
}

func main() {
	// What some charts make Helm log is not asked for.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	tasks := bufio.NewScanner(os.Stdin)
	var kept kept
	answers := json.NewEncoder(os.Stdout)
	for tasks.Scan() {
		var task task
		if err := json.Unmarshal(tasks.Bytes(), &task); err != nil {
			fmt.Fprintln(os.Stderr, "a task is not readable:", err)
			os.Exit(2)
		}
		answer, err := run(task, &kept)
		if err != nil {
			answer.Error = err.Error()
		}
		if err := answers.Encode(answer); err != nil {
			fmt.Fprintln(os.Stderr, "an answer cannot be written:", err)
			os.Exit(1)
		}
	}
}

// kept is the chart of the last warm task, which the next one may be of too.
type kept struct {
	path, values string
	chart        *chart.Chart
}

func (kept *kept) load(task task, values map[string]any) error {
	if kept.chart != nil && kept.path == task.Chart && kept.values == task.Values {
		return nil
	}
	chart, err := loader.LoadFile(task.Chart)
	if err != nil {
		return err
	}
	// The first render of a chart prunes it.
	if err := render(chart, copied(values).(map[string]any)); err != nil {
		return err
	}
	kept.path, kept.values, kept.chart = task.Chart, task.Values, chart
	return nil
}

func run(task task, kept *kept) (answer, error) {
	values, err := readValues(task.Values)
	if err != nil {
		return answer{}, err
	}
	if task.Warm {
		if err := kept.load(task, values); err != nil {
			return answer{}, err
		}
	}
	runtime.GC()
	var done answer
	for done.Renders == 0 || done.Renders < task.Renders || done.CPU < task.Seconds {
		// A render may change what it is given.
		values := copied(values).(map[string]any)
		began := cpu()
		chart := kept.chart
		if !task.Warm {
			if chart, err = loader.LoadFile(task.Chart); err != nil {
				return done, err
			}
		}
		if err := render(chart, values); err != nil {
			return done, err
		}
		done.CPU += (cpu() - began).Seconds()
		done.Renders++
	}
	return done, nil
}

func readValues(path string) (map[string]any, error) {
	values := map[string]any{}
	if path == "" {
		return values, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return values, yaml.Unmarshal(text, &values)
}

func copied(value any) any {
	switch value := value.(type) {
	case map[string]any:
		copies := make(map[string]any, len(value))
		for key, inner := range value {
			copies[key] = copied(inner)
		}
		return copies
	case []any:
		copies := make([]any, len(value))
		for index, inner := range value {
			copies[index] = copied(inner)
		}
		return copies
	default:
		return value
	}
}

func render(chart *chart.Chart, values map[string]any) error {
	configuration := action.NewConfiguration(action.ConfigurationSetLogger(slog.DiscardHandler))
	install := action.NewInstall(configuration)
	install.DryRunStrategy = action.DryRunClient
	install.ReleaseName = "bench"
	install.Namespace = "demo"
	install.Replace = true
	_, err := install.Run(chart, values)
	return err
}

// cpu is the time that all threads of this process have used up.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fmt.Fprintln(os.Stderr, "getrusage:", err)
		os.Exit(1)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
