# A convenience over CMake's presets. `make run` and `make test` set up what is missing by themselves.
.DEFAULT_GOAL := build
.NOTPARALLEL:
.PHONY: build run test sanitize chaos fuzz bench lint install package setup-build setup-test setup-fuzz setup-bench setup-lint clean help

CONFIG ?= gateway.toml
MINUTES ?= 1
SECONDS ?= 300
TESTS_AT_ONCE ?= 2
RUN_TESTS = ctest --output-on-failure --no-tests=error --parallel $(TESTS_AT_ONCE) --test-dir

help:           ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

build: setup-build build/release/build.ninja    ## build/release/bin/gateway and build/release/plugins
	@cmake --build --preset release --target product

run: build      ## starts the gateway on port 8080 (SERVER_PORT) with gateway.toml (CONFIG)
	@exec build/release/bin/gateway --config $(CONFIG)

test: setup-test build/release/build.ninja      ## builds, then runs every test, TESTS_AT_ONCE (2)
	@cmake --build --preset release
	@$(RUN_TESTS) build/release

sanitize: setup-test build/asan/build.ninja build/tsan/build.ninja      ## every test under ASan+UBSan, then TSan
	@cmake --build --preset asan
	@$(RUN_TESTS) build/asan --label-exclude release-only
	@cmake --build --preset tsan
	@$(RUN_TESTS) build/tsan --label-exclude release-only

chaos: setup-test build/release/build.ninja     ## two gateways, Redis with sentinels, and everything that can go wrong, for SECONDS (300); SEED repeats
	@cmake --build --preset release
	@GW_BUILD=build/release python3 -B tests/chaos/queue_chaos.py --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

install: build  ## installs the gateway and its SDK (DESTDIR)
	@cmake --install build/release

package: setup-test build/release/build.ninja   ## build/release/packages/gateway_*.deb and gateway-dev_*.deb
	@cmake --build --preset release
	@cd build/release && cpack

fuzz: setup-fuzz build/fuzz/build.ninja ## every parser of foreign bytes under libFuzzer, for MINUTES (1) each
	@cmake --build --preset fuzz
	@tools/fuzz.sh $(MINUTES)

bench: setup-bench build/release/build.ninja    ## measures, beside nginx and HAProxy; writes docs/benchmarks
	@cmake --build --preset release
	@python3 bench/run.py

lint: setup-lint build/dev/build.ninja  ## clang-format and clang-tidy, every finding an error
	@tools/lint.sh

build/%/build.ninja: CMakeLists.txt CMakePresets.json
	@cmake --preset $*

setup-build setup-test setup-fuzz setup-bench setup-lint:
	@tools/setup.sh $(@:setup-%=%)

clean:          ## removes what was built; build/deps stays
	@rm -rf build/dev build/release build/asan build/tsan build/fuzz build/lint
