#!/usr/bin/env bash
# Checks that the `cuda` feature compiles, on a machine that needs no GPU and no driver: NVIDIA's compiler and
# libraries come as Python packages (1.2 GB, kept in the target folder). The kernels alone take ten minutes on two
# cores, so this stands outside `make check`. It proves types and kernels; nothing runs.
#
# CUDA_HOME: a toolkit that is installed (13.0 or newer), used in place of the packages.
# CUDA_COMPUTE_CAP: the compute capability to compile the kernels for, without its dot (80 where it is not set).
set -euo pipefail
cd "$(dirname "$0")/.."

# A folder of its own: other features would build everything of the common one anew.
target="${CARGO_TARGET_DIR:-target}/check-cuda"
packages=(
    'nvidia-cuda-nvcc==13.0.*' 'nvidia-nvvm==13.0.*' 'nvidia-cuda-crt==13.0.*' 'nvidia-cuda-runtime==13.0.*'
    'nvidia-cuda-cccl==13.0.*' 'nvidia-cublas==13.0.*' 'nvidia-cuda-nvrtc==13.0.*' nvidia-curand
)

if [ -z "${CUDA_HOME:-}" ]; then
    toolkit="$PWD/$target/toolkit"
    case "$target" in /*) toolkit="$target/toolkit" ;; esac
    if [ ! -e "$toolkit/complete" ]; then
        rm -rf "$toolkit"
        mkdir -p "$toolkit"
        # In one call: pip takes away what an earlier one put into the same folder.
        python3 -m pip install --quiet --no-deps --target "$toolkit" "${packages[@]}"
        touch "$toolkit/complete"
    fi
    export CUDA_HOME="$toolkit/nvidia/cu13"
fi
export CUDA_PATH="$CUDA_HOME" CUDA_ROOT="$CUDA_HOME" PATH="$CUDA_HOME/bin:$PATH"
export CUDA_COMPUTE_CAP="${CUDA_COMPUTE_CAP:-80}"
nvcc --version | tail -n 2

CARGO_TARGET_DIR="$target" cargo check --workspace --features cuda
echo "the cuda feature compiles (compute capability $CUDA_COMPUTE_CAP); nothing was run on a GPU"
