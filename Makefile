# SPDX-License-Identifier: Apache-2.0
#
# The commands of the house, thin over the presets of CMakePresets.json.
#   make run      builds the daemon and starts it in the foreground
#   make test     builds and tests the presets dev and asan, dev once more as an ordinary user; the
#                 preset tsan, and a short search of the fuzzers
#   make check    format, layers, the .proto files, clang-tidy on what changed
#   make bench    measures, against a floor measured in the same run
#   make fuzz     runs every fuzz target for FUZZ_SECONDS (60) each
#   make test-kernel  runs the sandbox suite and more on Debian 12's own kernel, emulated: slow; needs root
#   make package  builds a Debian package in build/release
#   make package-test  installs, uses, upgrades and purges it on a bare Debian 12; needs root
#   make clean-root  runs the README on a bare Debian 12, as a new user would; needs root
#   make format   formats the C++ sources in place
.PHONY: run test test-kernel check bench fuzz package package-test clean-root format clean
.DEFAULT_GOAL := run

JOBS ?= $(shell nproc)
ARGS ?=

run:
	scripts/install-packages build run
	cmake --preset release -DVIVARIUM_TESTS=OFF -DVIVARIUM_BENCH=OFF
	cmake --build --preset release -j $(JOBS)
	exec build/release/bin/vivariumd $(ARGS)

test:
	scripts/install-packages build run test
	scripts/run-tests

test-kernel:
	scripts/install-packages build run test kernel-test
	cmake --preset dev
	cmake --build --preset dev -j $(JOBS)
	scripts/kernel-test

check:
	scripts/install-packages build test
	scripts/check

bench:
	scripts/install-packages build run
	cmake --preset release -DVIVARIUM_TESTS=OFF -DVIVARIUM_BENCH=ON
	cmake --build --preset release -j $(JOBS)
	bench/run $(ARGS)

fuzz:
	scripts/install-packages build run test
	cmake --preset fuzz
	cmake --build --preset fuzz --target fuzzers -j $(JOBS)
	scripts/run-fuzzers build/fuzz $(ARGS)

package:
	scripts/install-packages build run package
	cmake --preset release -DVIVARIUM_TESTS=OFF -DVIVARIUM_BENCH=OFF
	cmake --build --preset release -j $(JOBS)
	cd build/release && cpack -G DEB

package-test: package
	scripts/package-test

clean-root:
	scripts/install-packages clean-root
	scripts/clean-root-test

format:
	git ls-files -co --exclude-standard '*.cpp' '*.hpp' | xargs clang-format -i

clean:
	rm -rf build
