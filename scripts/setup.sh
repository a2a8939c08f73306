#!/usr/bin/env bash
# Installs the versions of requirements.txt into .venv, checking every file's hash: with uv, or with pip if uv fails.
#
# PyPI's torch for Linux brings gigabytes of CUDA libraries. Without an NVIDIA GPU, the same versions of torch and
# torchvision come from PyTorch's index of CPU wheels (over HTTPS; the lock has no hashes for these) if it is reachable.
# TORCH=pypi or TORCH=cpu overrides the choice.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
selected=$(mktemp)
trap 'rm -f "$selected"' EXIT

# The entries of the lock whose name matches ($1 = 1) or does not match ($1 = 0) the regular expression $2.
entries() {
  awk -v keep="$1" -v names="^($2)==" '/^[A-Za-z0-9]/ { on = ($1 ~ names) == keep } on' requirements.txt >"$selected"
}

wants_cpu_wheels() {
  case "${TORCH:-}" in
    cpu) return 0 ;;
    pypi) return 1 ;;
  esac
  test "$(uname -s)" = Linux && ! test -e /dev/nvidiactl && ! test -e /dev/dxg && ! command -v nvidia-smi >/dev/null
}

with_uv() {
  entries 1 uv
  "$python" -m pip install --require-hashes -r "$selected" || return
  # uv compiles nothing unless told to. Where Python may not write bytecode, each process would compile torch anew.
  local uv=(.venv/bin/uv pip install --python "$python" --compile-bytecode)
  if wants_cpu_wheels; then
    echo "no NVIDIA GPU: trying PyTorch's CPU wheels"
    entries 1 'torch|torchvision'
    if UV_HTTP_RETRIES=0 "${uv[@]}" --no-deps --torch-backend cpu $(awk '/==/ { print $1 }' "$selected"); then
      entries 0 'torch|torchvision|triton|nvidia-.*|cuda-.*'
      "${uv[@]}" --no-deps --require-hashes -r "$selected"
      return
    fi
    echo "PyTorch's CPU wheels are not available here: installing those of PyPI"
  fi
  "${uv[@]}" --no-deps --require-hashes -r requirements.txt
}

with_pip() {
  echo "uv failed: installing with pip, which takes some minutes"
  "$python" -m pip install --require-hashes -r requirements.txt
}

with_uv || with_pip
"$python" -m pip install --no-deps --no-build-isolation -e .
test -e .git || .venv/bin/dvc config --local core.no_scm true # unpacked from an archive
