#!/bin/sh
# Puts Mesa's Vulkan drivers for Intel, AMD, NVIDIA, Adreno and Apple GPUs into a folder, to run without those GPUs: Mesa's drm-shim, a preloaded library, plays
# the kernel's part. Devices, features, compilers and pipeline statistics are the drivers' own; memory is host memory, and submitted work does nothing.
#   tools/get_drm_shim.sh FOLDER [SUITE]            SUITE: trixie-backports by default
#   FOLDER/gpurun intel MODEL PROGRAM ...           skl kbl icl tgl adl dg2 mtl arl lnl bmg ptl, or a PCI id (0x56a5); bdw: the old driver
#   FOLDER/gpurun amd MODEL PROGRAM ...             polaris10 vega10 renoir navi10 navi21 navi31 navi33 strix1 gfx1201
#   FOLDER/gpurun nvidia MODEL PROGRAM ...          118 132 162 172 (chips, as Nouveau counts them)
#   FOLDER/gpurun adreno 630|730|740 PROGRAM ...    FOLDER/gpurun apple m1 PROGRAM ...
# Nothing is installed. Debian packages the shims of all vendors but Intel's, whose few source files are compiled here: needs a C compiler and python3.
set -eu
FOLDER=$1
SUITE=${2:-trixie-backports}
. "$(dirname "$0")/private_apt.sh"
BUILD=$FOLDER/build
mkdir -p "$BUILD"

fetch_drivers() {
  echo "deb-src [signed-by=$keyring] $archive trixie main" >>"$FOLDER/apt/sources"
  private_apt update
  unpack_with_dependencies mesa-vulkan-drivers mesa-drm-shim libvulkan1 libc6 libstdc++6
}

fetch_intel_sources() {
  private_apt -t "$SUITE" download libdrm-dev python3-mako python3-markupsafe patchelf 2>>"$FOLDER/apt/log"
  private_apt --download-only --tar-only source mesa 2>>"$FOLDER/apt/log"
  for package in *.deb; do dpkg -x "$package" .; done
  tar xJf mesa_*.orig.tar.xz --strip-components=1 --wildcards '*/src/intel/*' '*/src/drm-shim/*' '*/src/util/*' '*/src/c11/*' \
    '*/src/compiler/*.h' '*/src/gallium/include/*' '*/include/*'
}

# The drivers of this suite probe two things that the shim's source does not answer as the kernel does: an empty userptr is refused, and its probe is supported.
mend_intel_sources() {
  shim=src/intel/tools/intel_noop_drm_shim.c
  sed -i -e '/struct drm_i915_gem_userptr \*userptr = arg;/a if (!userptr->user_size) { errno = EINVAL; return -1; }' \
    -e '/case I915_PARAM_HAS_USERPTR_PROBE:/{n;s/= 0/= 1/}' \
    -e 's/fprintf(stderr, "Unknown/if (getenv("DRM_SHIM_DEBUG")) &/' -e '/include <stdio.h>/i #include <errno.h>' "$shim"
  sed -i 's/^\( *\)fprintf(stderr,$/\1if (getenv("DRM_SHIM_DEBUG")) fprintf(stderr,/' src/drm-shim/device.c
}

generate_intel_tables() {
  mkdir -p gen/intel/dev
  export PYTHONPATH="$BUILD/usr/lib/python3/dist-packages" PYTHONDONTWRITEBYTECODE=1
  python3 src/intel/dev/gen_wa_helpers.py src/intel/dev/mesa_defs.json gen/intel/dev/intel_wa.h gen/intel_wa.c
  python3 src/intel/dev/intel_device_info_gen_h.py gen/intel/dev/intel_device_info_gen.h
  python3 src/intel/dev/intel_device_info_serialize_gen_c.py gen/serialize.c
  unset PYTHONPATH
}

compile_intel_shim() {
  have=
  for feature in PTHREAD STRUCT_TIMESPEC ENDIAN_H LIBDRM MEMFD_CREATE SECURE_GETENV THRD_CREATE FLOCK TIMESPEC_GET PROGRAM_INVOCATION_NAME __BUILTIN_FFS \
    __BUILTIN_FFSLL __BUILTIN_POPCOUNT __BUILTIN_CLZ __BUILTIN_UNREACHABLE __BUILTIN_EXPECT FUNC_ATTRIBUTE_PACKED FUNC_ATTRIBUTE_UNUSED \
    FUNC_ATTRIBUTE_FORMAT FUNC_ATTRIBUTE_MALLOC; do
    have="$have -DHAVE_$feature"
  done
  helpers=
  for helper in hash_table set ralloc vma anon_file u_debug log parson os_misc simple_mtx u_call_once u_process; do helpers="$helpers src/util/$helper.c"; done
  # shellcheck disable=SC2086
  ${CC:-cc} -shared -o "$LIBRARIES/libintel_noop_drm_shim.so" -Wl,-soname,libintel_noop_drm_shim.so -std=gnu11 -O1 -w -fPIC -fvisibility=hidden \
    -ffunction-sections -fdata-sections -Wl,--gc-sections -Wl,--no-undefined -D_GNU_SOURCE -DNDEBUG -DPACKAGE_VERSION='"shim"' \
    -DUTIL_ARCH_LITTLE_ENDIAN=1 -DUTIL_ARCH_BIG_ENDIAN=0 -DUSE_GCC_ATOMIC_BUILTINS $have \
    -Isrc -Iinclude -Isrc/gallium/include -Isrc/intel -Isrc/intel/dev -Igen -Igen/intel -Igen/intel/dev -Iusr/include -Iusr/include/libdrm \
    src/drm-shim/drm_shim.c src/drm-shim/device.c "$shim" src/intel/dev/intel_device_info.c src/intel/dev/intel_hwconfig.c src/intel/dev/intel_kmd.c \
    src/intel/dev/i915/intel_device_info.c src/intel/dev/xe/intel_device_info.c src/intel/common/intel_gem.c gen/intel_wa.c gen/serialize.c \
    src/c11/impl/threads_posix.c $helpers -lm -ldl -lpthread
}

# Each driver also names its shim as its first dependency: one that is opened with RTLD_DEEPBIND would otherwise find libc before the shim and see no device.
bind_shims() {
  case $SUITE in bookworm*) start= ;; *) start="$LINKER --library-path $LIBRARIES" ;; esac
  for pair in intel:intel intel_hasvk:intel radeon:amdgpu nouveau:nouveau freedreno:freedreno asahi:asahi; do
    driver=$LIBRARIES/libvulkan_${pair%:*}.so
    [ ! -e "$driver" ] || $start "$BUILD/usr/bin/patchelf" --add-needed "lib${pair#*:}_noop_drm_shim.so" "$driver"
  done
}

write_runner() {
  case $SUITE in
  bookworm*) run='exec env LD_LIBRARY_PATH=$LIBRARIES LD_PRELOAD="$SHIM" "$PROGRAM" "$@"' ;;
  *) run='exec $LINKER --preload "$SHIM" --library-path "$LIBRARIES" "$PROGRAM" "$@"' ;;
  esac
  cat >"$FOLDER/gpurun" <<RUNNER
#!/bin/sh
# gpurun intel|amd|nvidia|adreno|apple MODEL PROGRAM ...
LIBRARIES=$LIBRARIES
LINKER=$LINKER
VENDOR=\$1 MODEL=\$2
shift 2
case \$VENDOR in
intel)
  DRIVER=intel SHIM=\$LIBRARIES/libintel_noop_drm_shim.so
  export INTEL_FORCE_PROBE='*'
  case \$MODEL in
  0x*) export INTEL_STUB_GPU_DEVICE_ID=\$MODEL ;;
  ivb | byt | hsw | bdw | chv) DRIVER=intel_hasvk; export INTEL_STUB_GPU_PLATFORM=\$MODEL ;;
  *) export INTEL_STUB_GPU_PLATFORM=\$MODEL ;;
  esac ;;
amd) DRIVER=radeon SHIM=\$LIBRARIES/libamdgpu_noop_drm_shim.so; export AMDGPU_GPU_ID=\$MODEL ;;
nvidia) DRIVER=nouveau SHIM=\$LIBRARIES/libnouveau_noop_drm_shim.so; export NOUVEAU_CHIPSET=\$MODEL NVK_I_WANT_A_BROKEN_VULKAN_DRIVER=1 ;;
adreno) DRIVER=freedreno SHIM=\$LIBRARIES/libfreedreno_noop_drm_shim.so; export FD_GPU_ID=\$MODEL ;;
apple) DRIVER=asahi SHIM=\$LIBRARIES/libasahi_noop_drm_shim.so ;;
*) echo "gpurun: no such vendor: \$VENDOR" >&2; exit 2 ;;
esac
export VK_DRIVER_FILES=$FOLDER/\$DRIVER.json VK_ICD_FILENAMES=$FOLDER/\$DRIVER.json VK_LOADER_LAYERS_DISABLE='~implicit~'
export MESA_SHADER_CACHE_DISABLE=\${MESA_SHADER_CACHE_DISABLE:-true}
$RESOLVE_PROGRAM
$run
RUNNER
  chmod +x "$FOLDER/gpurun"
}

fetch_drivers
cd "$BUILD"
fetch_intel_sources
mend_intel_sources
generate_intel_tables
compile_intel_shim
bind_shims
write_manifests
write_runner
cd "$FOLDER"
rm -rf apt/cache apt/lists build
ls "$FOLDER/gpurun" "$LIBRARIES"/*_noop_drm_shim.so
