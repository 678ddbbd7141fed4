#!/bin/sh
# Packs TensorFlow 2.21 (the CPU wheel) and Keras for a machine without a network, in three pieces of about 50 MB and a folder of small wheels.
#   tools/pack_tensorflow.sh OUT [PYTHON-VERSION]      makes OUT/tf0 OUT/tf1 OUT/tf2 OUT/whl; about 4 minutes; Python 3.12 by default
# There, with all of it in D:
#   cat D/tf?/part | xz -dc | tar x -C SITE
#   python3 -m pip install --no-index --no-deps --target MORE D/whl/*.whl
#   export PYTHONPATH=SITE:MORE
# TensorFlow's headers are left out and its libraries stripped: the plugin can be run there, not built.
set -eu
out=$1
version=${2:-3.12}
mkdir -p "$out"
out=$(cd "$out" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

download() {
  folder=$1
  shift
  platforms=
  for platform in manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014 manylinux1; do platforms="$platforms --platform ${platform}_x86_64"; done
  # shellcheck disable=SC2086
  python3 -m pip download -q --no-deps --only-binary=:all: --python-version "$version" --implementation cp $platforms -d "$folder" "$@"
}

download "$work/wheel" tensorflow-cpu==2.21.0
for package in keras==3.15.1 optree namex rich astunparse gast google-pasta termcolor six typing_extensions markdown-it-py mdurl pygments; do
  download "$out/whl" "$package"
done

mkdir "$work/site"
cd "$work/site"
python3 -m zipfile -e "$work"/wheel/tensorflow_cpu-*.whl .
rm -rf tensorflow/include
find . -name '*.so*' -size +1M -exec strip --strip-unneeded {} +
tar c . | xz -T2 -2 >"$work/site.tar.xz"
cd "$work"
split -n 3 -d site.tar.xz part.
for i in 0 1 2; do
  mkdir -p "$out/tf$i"
  mv "part.0$i" "$out/tf$i/part"
done
du -sh "$out"/*
