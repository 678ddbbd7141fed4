#!/bin/sh
# Prepares a checkout: apt packages, and a virtual environment in .venv. Quick when there is nothing to do.
#   tools/setup.sh [demo|test]      demo (default): build and run the examples; test: also what the tests need
# Environment: PYTHON the interpreter to use (3.10 to 3.13); TFVK_SKIP_APT=1 when the system packages come from elsewhere.
set -eu
cd "$(dirname "$0")/.."
purpose=${1:-demo}
case $purpose in demo | test) ;; *) echo "usage: tools/setup.sh [demo|test]" >&2; exit 2 ;; esac
say() { printf '%s\n' "setup: $*"; }
fail() { printf '%s\n' "setup: $*" >&2; exit 1; }

# The machine has a driver for a GPU of its own: a manifest that is not NVIDIA's, or NVIDIA's with its device there.
has_vulkan_driver() {
  [ -z "${VK_DRIVER_FILES:-}${VK_ICD_FILENAMES:-}" ] || return 0
  for manifest in /usr/share/vulkan/icd.d/*.json /etc/vulkan/icd.d/*.json /usr/local/share/vulkan/icd.d/*.json; do
    [ -e "$manifest" ] || continue
    case $manifest in *nvidia*) [ ! -e /dev/nvidiactl ] || return 0 ;; *) return 0 ;; esac
  done
  return 1
}

wanted_packages() {
  echo g++ cmake ninja-build ccache libvulkan1 libvulkan-dev libfmt-dev nlohmann-json3-dev libcli11-dev
  has_vulkan_driver || echo mesa-vulkan-drivers
  [ "$purpose" = demo ] || echo libgtest-dev vulkan-validationlayers
  # Debian and Ubuntu split ensurepip from their own Python; other Pythons bring it.
  "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
}

find_python() {
  for candidate in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "no Python from 3.10 to 3.13 found (tried ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.10}); install one or set PYTHON."
}

install_packages() {
  missing=
  for package in $(wanted_packages); do
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" = 0 ]; then
    as_root="env"
  elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    as_root="sudo -n env"
  else
    fail "these packages are missing and neither root nor password-less sudo is at hand to install them. Run:
    sudo apt-get update && sudo apt-get install -y$missing
and then this command again."
  fi
  say "installing$missing"
  log=$(mktemp)
  # shellcheck disable=SC2086
  if ! { $as_root apt-get -qq update && $as_root DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install:$missing"
  fi
  rm -f "$log"
}

install_requirements() {
  set -- -r requirements/build.txt -r requirements/demo.txt
  [ "$purpose" = demo ] || set -- "$@" -r requirements/test.txt
  contents=$(cat requirements/*.txt | sha256sum | cut -c1-16)
  stamp=.venv/setup-$purpose-$contents
  [ ! -e "$stamp" ] && [ ! -e ".venv/setup-test-$contents" ] || return 0
  if ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    rm -rf .venv
    say "making .venv with $("$python" --version)"
    "$python" -m venv .venv || fail "$python could not make a virtual environment in .venv."
  fi
  say "installing Python packages (TensorFlow among them: about 300 MB, a few minutes the first time)"
  .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@" </dev/null || fail "pip could not install the packages of requirements/."
  rm -f .venv/setup-"$purpose"-*
  : >"$stamp"
}

[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || fail "this project builds on Linux x86_64; this is $(uname -s) $(uname -m)."
python=$(find_python)
if [ "${TFVK_SKIP_APT:-0}" = 1 ]; then
  :
elif command -v apt-get >/dev/null 2>&1 && command -v dpkg-query >/dev/null 2>&1; then
  install_packages
else
  say "no apt here: make sure that these are installed under your system's names: $(wanted_packages | tr '\n' ' ')"
fi
install_requirements
