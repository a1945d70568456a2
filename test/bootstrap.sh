#!/bin/sh
# What does this machine need before Shoal's lab can run, and how is it put back afterwards?
# Called by `npm run demo`, `npm test` and .ci/run; nothing is installed yet when it starts, hence POSIX sh.
#
#   bootstrap.sh run [--] COMMAND…   bring the machine up, run COMMAND with Node.js 24 first on PATH, put everything back
#   bootstrap.sh up | down           the same in two steps (the machine stays up in between)
#   bootstrap.sh plan                only say what would be changed
#
# Users are counted: whoever leaves last restores the sysctls and stops the engine, and only if it was started from here.
# An engine that was found running is used as it is. Installed packages stay.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cache=${SHOAL_CACHE:-/var/cache/shoal}
state=$cache/machine
engine_wait_s=60

say() { printf 'bootstrap: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# --- what is there ------------------------------------------------------------------------------------------------

require_debian_root() {
  [ "$(id -u)" = 0 ] || die 'the lab starts Docker engines and network namespaces: run it as root'
  [ -r /etc/debian_version ] && have apt-get || die 'only Debian is supported (12 is tested): /etc/debian_version or apt-get is missing'
  have node && have npm || die 'Node.js and npm are missing (any version from 20): install them first'
}

engine_runs() { have docker && docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }
compose_works() { docker compose version >/dev/null 2>&1 || have docker-compose; }
with_systemd() { [ -d /run/systemd/system ]; }

# One package a line. Looked for by what is needed of it, so that docker-ce or another compiler is as good.
missing_packages() {
  have dockerd && have docker || engine_runs || pgrep -x dockerd >/dev/null 2>&1 || echo docker.io
  compose_works || echo docker-compose
  have debootstrap || echo debootstrap
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || echo debian-archive-keyring
  have iptables || echo iptables
  have ip && have tc || echo iproute2
  have gcc || echo gcc
  [ -e /usr/include/stdio.h ] || echo libc6-dev
  have flock && have nsenter && have setsid || echo util-linux
  have ps || echo procps
}

# name=value of each sysctl whose value falls short. CRIU's lazy pages put a whole memory into pipes (docs/limits.md).
missing_sysctls() {
  [ "$(cat /proc/sys/fs/pipe-max-size)" -ge 67108864 ] || echo fs.pipe-max-size=67108864
  [ "$(cat /proc/sys/fs/pipe-user-pages-soft)" = 0 ] || echo fs.pipe-user-pages-soft=0
  [ "$(cat /proc/sys/fs/pipe-user-pages-hard)" = 0 ] || echo fs.pipe-user-pages-hard=0
  # Each inner engine and its containerd hold inotify instances of the one root user.
  [ "$(cat /proc/sys/fs/inotify/max_user_instances)" -ge 1024 ] || echo fs.inotify.max_user_instances=1024
}

# Do the installed modules differ from the lock file? Compared by content: times say little after a checkout.
modules_differ() {
  [ -x "$here/node_modules/.bin/node" ] || return 0
  node -e '
    const { readFileSync } = require("node:fs")
    const packagesOf = (file) => JSON.parse(readFileSync(file, "utf8")).packages ?? {}
    const there = packagesOf(process.argv[2])
    const differs = ([path, wanted]) => path !== "" && !wanted.optional && there[path]?.version !== wanted.version
    process.exit(Object.entries(packagesOf(process.argv[1])).some(differs) ? 1 : 0)
  ' "$here/package-lock.json" "$here/node_modules/.package-lock.json" 2>/dev/null && return 1
  return 0
}

engine_plan() {
  if engine_runs; then echo 'use the running engine'
  elif with_systemd; then echo 'start docker through systemd, stop it afterwards'
  else echo "start dockerd (log: $cache/dockerd.log), stop it afterwards"
  fi
}

show_plan() {
  packages=$(missing_packages | tr '\n' ' ')
  sysctls=$(missing_sysctls | tr '\n' ' ')
  say "packages to install: ${packages:-none}"
  say "sysctls to change, restored afterwards: ${sysctls:-none}"
  say "engine: $(engine_plan)"
  if modules_differ; then say 'node modules: npm ci'; else say 'node modules: as in package-lock.json'; fi
}

# --- bringing it up -----------------------------------------------------------------------------------------------

install_packages() {
  packages=$(missing_packages | tr '\n' ' ')
  [ -n "$packages" ] || return 0
  say "installing $packages(log: $cache/apt.log)"
  # shellcheck disable=SC2086 # a list of words
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages; } \
    >"$cache/apt.log" 2>&1 </dev/null || { tail -n 20 "$cache/apt.log" >&2; die "apt-get failed: see $cache/apt.log"; }
}

# The old value is written down before the new one is set, and the first one written wins: that is the machine's own.
set_sysctl() {
  [ -e "$state/sysctl/$1" ] || sysctl -n "$1" >"$state/sysctl/$1"
  sysctl -q -w "$1=$2" || say "could not set $1: lazy page moves may fail"
}

set_sysctls() {
  for setting in $(missing_sysctls); do
    say "sysctl $setting (was $(sysctl -n "${setting%%=*}"))"
    set_sysctl "${setting%%=*}" "${setting#*=}"
  done
}

# An engine turns forwarding on and leaves it on; note what it was. The package of the engine starts it where the system lets it: that one is
# as much ours to stop as one started below.
note_engine_before() {
  engine_runs || [ -e "$state/engine" ] || sysctl -n net.ipv4.ip_forward >"$state/sysctl/net.ipv4.ip_forward"
}

note_engine_of_package() {
  [ -e "$state/sysctl/net.ipv4.ip_forward" ] && [ ! -e "$state/engine" ] && engine_runs || return 0
  say 'the package has started its engine: it is stopped afterwards'
  if with_systemd; then echo systemd >"$state/engine"; else echo initd >"$state/engine"; fi
}

start_engine() {
  engine_runs && return 0
  if with_systemd; then
    say 'starting docker through systemd'
    systemctl start docker
    echo systemd >"$state/engine"
  else
    say "starting dockerd (log: $cache/dockerd.log)"
    # 9 is the lock: an engine must not hold it open.
    setsid dockerd --pidfile "$state/dockerd.pid" >>"$cache/dockerd.log" 2>&1 </dev/null 9>&- &
    echo dockerd >"$state/engine"
  fi
  waited=0
  until engine_runs; do
    waited=$((waited + 1))
    [ "$waited" -le "$engine_wait_s" ] || { tail -n 20 "$cache/dockerd.log" >&2; die "no engine answered within $engine_wait_s s"; }
    sleep 1
  done
}

install_modules() {
  modules_differ || return 0
  say "npm ci (log: $cache/npm.log)"
  (cd "$here" && npm ci --no-audit --no-fund) >"$cache/npm.log" 2>&1 </dev/null \
    || { tail -n 20 "$cache/npm.log" >&2; die "npm ci failed: see $cache/npm.log"; }
}

# --- who uses it --------------------------------------------------------------------------------------------------

# A process is named by pid and start time, so that a reused pid is not mistaken for a user.
started_at() { [ -r "/proc/$1/stat" ] && sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f20; }

forget_dead_users() {
  for user in "$state"/users/*-*; do
    [ -e "$user" ] || continue
    name=${user##*/}
    [ "$(started_at "${name%-*}" || true)" = "${name#*-}" ] || rm -f "$user"
  done
}

locked() {
  mkdir -p "$state/users" "$state/sysctl"
  (
    flock -w 900 9 || die "another bootstrap holds $state/lock for 15 minutes"
    "$@"
  ) 9>"$state/lock"
}

enter() {
  forget_dead_users
  : >"$state/users/$1"
  show_plan
  note_engine_before
  install_packages
  note_engine_of_package
  set_sysctls
  start_engine
  install_modules
}

stop_engine() {
  [ -e "$state/engine" ] || return 0
  case $(cat "$state/engine") in
    systemd) say 'stopping docker'; systemctl stop docker.socket docker || true ;;
    initd) say 'stopping docker'; service docker stop || true ;;
    dockerd)
      pid=$(cat "$state/dockerd.pid" 2>/dev/null || true)
      if [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]; then
        say 'stopping the dockerd started here'
        kill "$pid"
        waited=0
        while [ -e "/proc/$pid" ] && [ "$waited" -lt 30 ]; do sleep 1; waited=$((waited + 1)); done
      fi ;;
  esac
  rm -f "$state/engine"
}

leave() {
  rm -f "$state/users/$1"
  forget_dead_users
  [ -z "$(ls "$state/users")" ] || return 0
  stop_engine
  for saved in "$state"/sysctl/*; do
    [ -e "$saved" ] || continue
    sysctl -q -w "${saved##*/}=$(cat "$saved")" || say "could not restore ${saved##*/} to $(cat "$saved")"
    rm -f "$saved"
  done
  rm -rf "$state/users" "$state/sysctl"
}

# --- commands -----------------------------------------------------------------------------------------------------

run() {
  [ "${1-}" = -- ] && shift
  [ $# -gt 0 ] || die 'run: no command given'
  require_debian_root
  me=$$-$(started_at $$)
  trap 'locked leave "$me"' EXIT
  # The first signal goes to the command, which cleans up; a terminal's Ctrl-C reaches it anyway.
  child=
  trap '[ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true; [ -n "$child" ] || exit 143' TERM
  trap '[ -n "$child" ] || exit 130' INT
  locked enter "$me"
  # A shell lets its background children ignore SIGINT; this one must hear Ctrl-C.
  PATH=$here/node_modules/.bin:$PATH env --default-signal=INT,QUIT "$@" <&0 &
  child=$!
  code=0
  # `wait` returns early when a trap ran: the command may still be cleaning up.
  while :; do
    wait "$child" && code=0 || code=$?
    kill -0 "$child" 2>/dev/null || break
  done
  exit "$code"
}

case ${1-} in
  run) shift; run "$@" ;;
  up) require_debian_root; locked enter kept ;;
  down) require_debian_root; locked leave kept ;;
  plan) require_debian_root; show_plan ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 64 ;;
esac
