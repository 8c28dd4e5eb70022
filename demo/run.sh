#!/usr/bin/env bash
# demo/run.sh BIN: starts a dvrend of its own, imports a cloud, renders a picture and an orbit into out/demo/, stops it.
set -euo pipefail
bin=$(cd "$1" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=out/demo
scratch=$(mktemp -d)
daemon=

say() { printf '\033[1m==> demo: %s\033[0m\n' "$*" >&2; }
ctl() { "$bin/dvrenctl" --endpoint "unix:$scratch/dvrend.sock" "$@"; }

stop() {
  [[ -z $daemon ]] || { kill -TERM "$daemon" 2>/dev/null && wait "$daemon"; } || true
  daemon=
}
finish() {
  local rc=$?
  stop
  [[ $rc -eq 0 ]] || { printf 'demo: failed; the end of the log of dvrend:\n'; tail -n 20 "$scratch/dvrend.log"; } >&2
  rm -rf "$scratch"
}
trap finish EXIT

mkdir -p "$out"
rm -f "$out"/*

say "starting dvrend"
"$bin/dvrend" --listen "unix:$scratch/dvrend.sock" --metrics "" --data-dir "$scratch/data" 2>"$scratch/dvrend.log" &
daemon=$!
for _ in $(seq 100); do
  ctl health >/dev/null 2>&1 && break
  kill -0 "$daemon" 2>/dev/null || exit 1
  sleep 0.1
done
ctl devices

volume=${DVREN_DATA:-../shared/data}/smoke.vdb
if [[ -f $volume ]]; then
  look=(--transfer demo/transfer_fire.json --sigma-scale 0.63 --background '0.004,0.006,0.012')
  view=(--orbit '25,4,172' --fov 38)
else
  volume=$scratch/cloud.vdb
  say "no smoke.vdb in ${DVREN_DATA:-../shared/data}: making a procedural cloud"
  ctl field create sample --shape cloud --size 192
  ctl field download sample "$volume"
  look=(--transfer demo/transfer_cloud.json --sigma-scale 2 --background '0.07,0.18,0.45')
  view=(--orbit '100,8,36' --fov 34)
fi

say "importing $(basename "$volume")"
ctl field import demo "$volume"

say "rendering 640 x 960"
ctl render demo --out "$out/picture.png" --width 640 --height 960 "${view[@]}" "${look[@]}"

say "rendering an orbit of 24 pictures"
ctl render demo --out "$out/orbit.png" --width 320 --height 480 "${view[@]}" "${look[@]}" --orbit-frames 24
python3 demo/animate.py "$out/orbit_animated.png" 12 "$out"/orbit_*.png

say "stopping dvrend"
cpu=$(awk -v hz="$(getconf CLK_TCK)" '{printf "%.1f", ($14 + $15) / hz}' "/proc/$daemon/stat")
stop
say "dvrend used $cpu s of CPU; the pictures:"
ls -1 "$PWD/$out"/picture.png "$PWD/$out"/orbit_animated.png
