# Sourced by the scripts that unpack packages of another Debian suite into a folder, without installing anything.
# In: FOLDER, SUITE. Out: FOLDER made absolute, ROOT (the unpacked tree), LIBRARIES, and the functions below.
# The archive's address comes from this machine's own apt settings. Needs Debian's archive key, which Ubuntu has in the package debian-archive-keyring.

mkdir -p "$FOLDER/apt/lists/partial" "$FOLDER/apt/cache/archives/partial" "$FOLDER/apt/none" "$FOLDER/root"
FOLDER=$(cd "$FOLDER" && pwd)
ROOT=$FOLDER/root
LIBRARIES=$ROOT/usr/lib/x86_64-linux-gnu
LINKER=$ROOT/usr/lib64/ld-linux-x86-64.so.2
: >"$FOLDER/apt/status"

archive=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null | sed -n 's/^Debian \([^ ]*debian\/*\)$/\1/p' | head -n 1)
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
if [ -z "$archive" ] || [ ! -e "$keyring" ]; then
  echo "no Debian archive is known to apt here (on Debian: run apt-get update first)" >&2
  exit 1
fi
{
  case $SUITE in *-backports) echo "deb [signed-by=$keyring] $archive ${SUITE%-backports} main" ;; esac
  echo "deb [signed-by=$keyring] $archive $SUITE main"
} >"$FOLDER/apt/sources"

# apt-get with lists, cache and package state of its own.
private_apt() {
  apt-get -qq -o Dir::Etc::SourceList="$FOLDER/apt/sources" -o Dir::Etc::SourceParts="$FOLDER/apt/none" \
    -o Dir::Etc::Preferences="$FOLDER/apt/none" -o Dir::Etc::PreferencesParts="$FOLDER/apt/none" \
    -o Dir::State::Lists="$FOLDER/apt/lists" -o Dir::Cache="$FOLDER/apt/cache" -o Dir::State::status="$FOLDER/apt/status" \
    -o APT::Install-Recommends=0 -o APT::Sandbox::User=root -o Acquire::Languages=none "$@"
}

# Unpacks packages and all that they depend on into ROOT.
unpack_with_dependencies() {
  private_apt -t "$SUITE" -y --download-only install "$@" >"$FOLDER/apt/log"
  for package in "$FOLDER"/apt/cache/archives/*.deb; do dpkg -x "$package" "$ROOT"; done
}

# Part of a runner script: turns "$1" ... into PROGRAM and its arguments, so that a venv's Python scripts run under another dynamic linker.
RESOLVE_PROGRAM='PROGRAM=$(command -v "$1") || { echo "$0: there is no program $1" >&2; exit 127; }
shift
case $(head -c 4 "$PROGRAM" | tr -d "\177\0") in
ELF) ;;
"#!"*)
  INTERPRETER=$(head -n 1 "$PROGRAM" | sed "s/^#! *//; s/ .*//")
  case $INTERPRETER in
  *python*) set -- "$PROGRAM" "$@"; PROGRAM=$INTERPRETER ;;
  *) echo "$0: $PROGRAM is a script: name the real program" >&2; exit 126 ;;
  esac ;;
esac'

# The driver manifests of ROOT, rewritten to its libraries: FOLDER/NAME.json for libvulkan_NAME.so.
write_manifests() {
  for manifest in "$ROOT"/usr/share/vulkan/icd.d/*.json; do
    name=$(sed -n 's/.*libvulkan_\([a-z_]*\)\.so.*/\1/p' "$manifest")
    sed "s#\"library_path\": \"[^\"]*\"#\"library_path\": \"$LIBRARIES/libvulkan_$name.so\"#" "$manifest" >"$FOLDER/$name.json"
  done
}
