// Command reaper runs another command and ends it when its own standard input
// ends or it is asked to terminate.
//
//	reaper COMMAND [ARGUMENT...]
//	reaper -remove FOLDER
//
// The second form runs nothing and removes the folder at the end. The parent holds the writing end of a pipe to the reaper's standard input.
// The kernel closes that end however the parent goes, SIGKILL included, so no
// server of a test outlives the test. A line TERM, STOP or CONT written to the
// pipe sends the command that signal. The reaper exits with the command's own exit
// code, or 128 plus the number of the signal that ended it.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: reaper COMMAND [ARGUMENT...] | reaper -remove FOLDER")
		os.Exit(2)
	}
	if os.Args[1] == "-remove" && len(os.Args) == 3 {
		signal.Ignore(syscall.SIGINT, syscall.SIGHUP)
		_, _ = io.Copy(io.Discard, os.Stdin)
		remove(os.Args[2])
		return
	}
	// Installed before the command starts, so that no signal falls in between.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)

	command := exec.Command(os.Args[1], os.Args[2:]...)
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	// A group of its own: a Ctrl-C at the terminal reaches the reaper only, and
	// whatever the command starts in turn ends with it.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "reaper:", err)
		os.Exit(127)
	}

	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	parentGone := make(chan struct{})
	go func() {
		passSignals(command.Process)
		close(parentGone)
	}()

	var result error
	select {
	case result = <-ended:
	case <-parentGone:
		result = kill(command, ended)
	case <-signals:
		result = kill(command, ended)
	}
	os.Exit(exitCode(result))
}

// passSignals sends the command the signals that the parent names, until the
// parent closes the pipe.
func passSignals(process *os.Process) {
	names := map[string]os.Signal{"TERM": syscall.SIGTERM, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		if signal, known := names[lines.Text()]; known {
			_ = process.Signal(signal)
		}
	}
}

// remove takes the folder away, unless the parent has done so itself: again and
// again for two seconds, because the servers that write to it are being killed at
// the same moment.
func remove(folder string) {
	if _, err := os.Stat(folder); err != nil {
		return
	}
	for range 20 {
		_ = os.RemoveAll(folder)
		time.Sleep(100 * time.Millisecond)
	}
}

// kill ends the command's whole process group and waits for the command.
func kill(command *exec.Cmd, ended <-chan error) error {
	_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
	return <-ended
}

func exitCode(result error) int {
	if result == nil {
		return 0
	}
	var exit *exec.ExitError
	if !errors.As(result, &exit) {
		return 1
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}
