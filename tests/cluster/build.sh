#!/bin/sh
# Builds the programs of the test control plane and prints the folder they are in.
#
# Progress goes to standard error, the folder alone to standard output:
#
#     programs=$(tests/cluster/build.sh) && "$programs/kubectl" version --client
#
# The folder is in the user's cache and named after everything that decides what is
# in it, so a second call costs milliseconds. With KUBEBUILDER_ASSETS set, etcd,
# kube-apiserver and kubectl are taken from there.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/coxswain/cluster

digest() {
	if command -v sha256sum >/dev/null 2>&1; then
		sha256sum
	elif command -v shasum >/dev/null 2>&1; then
		shasum -a 256
	else
		cksum
	fi
}

inputs() {
	uname -sm
	printf 'assets: %s\n' "${KUBEBUILDER_ASSETS:-}"
	cd "$here"
	# What cmd/build builds; cmd/render is no part of the control plane.
	cat go.mod go.sum tools.go cmd/build/*.go cmd/credentials/*.go cmd/etcd/*.go cmd/reaper/*.go
}

hash=$(inputs | digest | cut -c 1-16 | tr -d ' ')
folder=$cache/$hash

if ! [ -e "$folder/complete" ]; then
	if ! command -v go >/dev/null 2>&1; then
		cat >&2 <<-'MESSAGE'
			The test control plane has to be built once, and that needs Go 1.26 or later,
			which is not on PATH. Install it from https://go.dev/dl or with the system's
			package manager (golang-go, go, golang), then run this again.
		MESSAGE
		exit 1
	fi
	mkdir -p "$folder"
	(cd "$here" && GOWORK=off GOFLAGS=-mod=readonly CGO_ENABLED=0 go run ./cmd/build "$folder") >&2
fi
touch "$folder/complete"
printf '%s\n' "$folder"
