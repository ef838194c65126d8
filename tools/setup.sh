#!/bin/sh
# Installs what building, running or testing the gateway needs and is not there yet.
#
#   tools/setup.sh build    compiler, libraries                    (make build, make run)
#   tools/setup.sh test     the above, and the real parts of tests (make test)
#   tools/setup.sh fuzz     what "build" does, and clang         (make fuzz)
#   tools/setup.sh bench    the above, and the peers of the benchmark
#   tools/setup.sh lint     what "build" does, and clang-format and clang-tidy
#
# Debian 12 or 13, as root or through sudo. Only the distribution's own packages are installed.
# Debian 12 has no llhttp, and its hiredis and libjwt are too old: there, Debian 13's packages are
# unpacked into build/deps and the system stays as it was (docs/decisions/0001-dependencies.md).
set -eu
cd "$(dirname "$0")/.."

wanted=${1:-build}
build="g++ cmake ninja-build ccache pkg-config python3 ca-certificates libuv1-dev libtomlplusplus-dev libspdlog-dev
  libboost-dev libcli11-dev nlohmann-json3-dev libssl-dev libcurl4-openssl-dev libgtest-dev libgmock-dev libpcre2-dev prometheus-cpp-dev"
test="clang wrk redis-server nginx libnginx-mod-stream haproxy curl openssl procps dpkg-dev file faketime"
command -v rustc >/dev/null || test="$test rustc"
bench="strace libnginx-mod-nchan"
lint="clang-format clang-tidy"
fuzz="clang llvm"
case $wanted in
  build) packages=$build ;;
  test)  packages="$build $test" ;;
  fuzz)  packages="$build $fuzz" ;;
  bench) packages="$build $test $bench" ;;
  lint)  packages="$build $lint" ;;
  *) echo "usage: tools/setup.sh build|test|fuzz|bench|lint" >&2; exit 2 ;;
esac

. /etc/os-release
if [ "${ID:-}" != debian ] || [ "${VERSION_ID:-0}" -lt 12 ]; then
  echo "setup: this is ${PRETTY_NAME:-an unknown system}; the set-up knows Debian 12 and 13." >&2
  exit 1
fi
old_debian=false
if [ "$VERSION_ID" -eq 12 ]; then
  old_debian=true
  packages="$packages libjansson4 libb64-0d"
  fuzz_runtime=libclang-rt-14-dev
else
  packages="$packages libllhttp-dev libhiredis-dev libjwt-dev"
  fuzz_runtime=libclang-rt-19-dev
  case $wanted in test|bench) packages="$packages valkey-server" ;; esac
fi
[ "$wanted" != fuzz ] || packages="$packages $fuzz_runtime"

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

missing=""
for package in $packages; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing="$missing $package"
done
if [ -n "$missing" ]; then
  echo "setup: installing$missing"
  as_root apt-get update -q
  # The servers are parts of tests: none may start here, now or at boot, by being installed.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy
    trap 'as_root rm -f $policy' EXIT
  fi
  # shellcheck disable=SC2086
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
fi
$old_debian || exit 0

deps=$PWD/build/deps
newer="libllhttp-dev libllhttp9.2 libhiredis-dev libhiredis1.1.0 libjwt-dev libjwt2"
[ -e "$deps/.complete" ] && exit 0
echo "setup: fetching Debian 13's llhttp, hiredis and libjwt into build/deps"
apt_dir=$PWD/build/deps-apt
rm -rf "$deps" "$apt_dir"
mkdir -p "$apt_dir/lists/partial" "$apt_dir/archives/partial" "$deps"
mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
  awk '$1 == "Debian" && $2 == "bookworm" { print $3; exit }')
if [ -z "$mirror" ]; then
  as_root apt-get update -q
  mirror=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 == "bookworm" { print $3; exit }')
fi
[ -n "$mirror" ] || { echo "setup: apt knows no Debian mirror (apt-get indextargets)" >&2; exit 1; }
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror trixie main" > "$apt_dir/sources.list"
: > "$apt_dir/status"
# A package database, lists and cache of our own: the system's are neither read nor written.
private_apt() {
  apt-get -q -o Dir::Etc::SourceList="$apt_dir/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State::Lists="$apt_dir/lists" -o Dir::State::status="$apt_dir/status" \
    -o Dir::Cache="$apt_dir" -o Dir::Cache::archives="$apt_dir/archives" -o APT::Sandbox::User="$(id -un)" "$@"
}
private_apt update
# shellcheck disable=SC2086
(cd "$apt_dir" && private_apt download $newer)
for package in "$apt_dir"/*.deb; do dpkg-deb -x "$package" "$deps"; done
rm -rf "$apt_dir"
touch "$deps/.complete"
