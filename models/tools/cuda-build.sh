#!/usr/bin/env bash
# Builds atelierd for NVIDIA graphics processors on a machine that has neither one of them nor CUDA.
#
#   cuda-build.sh [cargo's arguments]     default: build --locked --release --features daemon/cuda
#
# The compiler and the headers come from NVIDIA's Python wheels (100 MB, once, into .cuda); the libraries that the program
# is linked with are stand-ins made here, which open the real ones when first called (see cuda_stand_ins.py). So the
# program starts on a machine without a driver too. Needs gcc, Python with pip, and ten minutes on two cores.
#
# CUDA is pinned to 13.0: the kernels travel as PTX, which the driver compiles, and a driver refuses the PTX of a newer
# CUDA than its own. CUDA_COMPUTE_CAP names the oldest processor to build for: 80 is Ampere, 90 Hopper.
set -euo pipefail
cd "$(dirname "$0")/../.."

root=${CUDA_ROOT:-$PWD/.cuda}
toolkit=$root/toolkit

fetch_toolkit() {
  [ -x "$toolkit/bin/nvcc" ] && return
  mkdir -p "$root/wheels"
  python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$root/wheels" \
    --platform manylinux2014_x86_64 --platform manylinux_2_17_x86_64 \
    --platform manylinux2010_x86_64 --platform manylinux_2_12_x86_64 \
    nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 \
    nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85
  python3 - "$root" <<'PYTHON'
import pathlib, shutil, sys, zipfile
root = pathlib.Path(sys.argv[1])
unpacked = root / "unpacked"
for wheel in root.glob("wheels/*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked, [n for n in archive.namelist() if n.startswith("nvidia/cu13/")])
(unpacked / "nvidia/cu13").rename(root / "toolkit")
shutil.rmtree(unpacked)
PYTHON
  chmod +x "$toolkit"/bin/* "$toolkit"/nvvm/bin/*
}

make_stand_ins() {
  [ -e "$toolkit/lib/libcublasLt.a" ] && return
  # The runtime is linked in; everything else is opened at run time.
  rm -f "$toolkit"/lib/libcudart.so
  cp "$toolkit/lib/libcudart_static.a" "$toolkit/lib/libcudart.a"
  cargo metadata --locked --all-features --format-version 1 | python3 models/tools/cuda_stand_ins.py "$toolkit/lib"
}

fetch_toolkit
make_stand_ins
export CUDA_HOME=$toolkit NVCC=$toolkit/bin/nvcc CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-80} CUDARC_CUDA_VERSION=13000
export PATH=$toolkit/bin:$PATH
# By itself the kernels' build uses half of the cores.
export CUDAFORGE_THREADS=${CUDAFORGE_THREADS:-$(nproc)}
[ $# -gt 0 ] || set -- build --locked --release --features daemon/cuda
exec cargo "$@"
