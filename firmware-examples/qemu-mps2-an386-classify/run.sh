#!/usr/bin/env bash
# Runs a firmware under QEMU and decodes its log.
set -euo pipefail
qemu-system-arm -machine mps2-an386 -nographic -monitor none -serial null \
    -semihosting-config enable=on,target=native -kernel "$1" | defmt-print -e "$1"
