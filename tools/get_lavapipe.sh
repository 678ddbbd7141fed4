#!/bin/sh
# Puts Mesa's software Vulkan driver (lavapipe) of a newer Debian suite into a folder; nothing is installed.
#   tools/get_lavapipe.sh FOLDER [SUITE]     SUITE: trixie-backports by default; its driver has cooperative matrices
#   FOLDER/vkrun PROGRAM ...                 runs a program with that driver, under that suite's Vulkan loader and libc
# Programs that PROGRAM starts itself run under the system's libc again and cannot use the driver.
set -eu
FOLDER=$1
SUITE=${2:-trixie-backports}
. "$(dirname "$0")/private_apt.sh"

private_apt update
unpack_with_dependencies mesa-vulkan-drivers libvulkan1 libc6 libstdc++6
write_manifests
cat >"$FOLDER/vkrun" <<RUNNER
#!/bin/sh
export VK_DRIVER_FILES=$FOLDER/lvp.json VK_ICD_FILENAMES=$FOLDER/lvp.json VK_LOADER_LAYERS_DISABLE='~implicit~'
$RESOLVE_PROGRAM
exec $LINKER --library-path $LIBRARIES "\$PROGRAM" "\$@"
RUNNER
chmod +x "$FOLDER/vkrun"
rm -rf "$FOLDER/apt/cache" "$FOLDER/apt/lists"
ls "$LIBRARIES/libvulkan_lvp.so"
