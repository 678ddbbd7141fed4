#!/bin/sh
# Builds in a build folder and installs the plugin from it into .venv; a second run rebuilds only what changed.
#   tools/install.sh BUILD [with-tests]
set -eu
cd "$(dirname "$0")/.."
build=$1
mkdir -p "$build"
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1  # another clone of this project finds what this one compiled
if [ "${2:-}" = with-tests ]; then tests=ON target=all; else tests=OFF target=tfvk; fi
# A folder once configured with tests stays so: `make demo` after `make test` must not throw their build away.
! grep -qs '^TFVK_TESTS:[A-Z]*=ON' "$build/CMakeCache.txt" || tests=ON

log=$build/install.log
run() {
  if ! "$@" >"$log" 2>&1 </dev/null; then
    tail -n 60 "$log" >&2
    echo "this failed: $* (its whole output: $log)" >&2
    exit 1
  fi
}
run cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DTFVK_PYTHON="$PWD/.venv/bin/python" -DTFVK_TESTS=$tests
echo "building in $build"
if [ $target = all ]; then cmake --build "$build"; else cmake --build "$build" --target tfvk tfvk-probe; fi

# The wheel is made in the same folder with the same settings, so pip finds everything built.
installed=.venv/installed-$(echo "$build" | tr / -)
if [ -n "$(find "$build/tfvk-probe" "$build/libtfvk.so" python pyproject.toml cmake -newer "$installed" -print -quit 2>/dev/null || echo new)" ] || [ ! -e "$installed" ]; then
  echo "installing into .venv"
  run .venv/bin/python -m pip install --disable-pip-version-check --verbose --no-deps --no-build-isolation \
    --config-settings=build-dir="$build" --config-settings=cmake.define.TFVK_TESTS=$tests .
  rm -f .venv/installed-*
  : >"$installed"
fi
