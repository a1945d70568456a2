#!/bin/sh
# How does a container become a host of its own? Runs as the entrypoint of every container of the lab (docker-compose.test.yml).
#   entrypoint.sh node GATEWAY   default route, cgroups and /proc as a host has them, then dockerd
#   entrypoint.sh router         forwards IPv4 between its networks; multicast stays where it is
# Once `/run/lab-ready` exists the container is what it should be (the engine may still be starting).
set -eu

own_the_proc() {
  # The engine masks parts of /proc by mounts on them; runc inside needs them as they are.
  for path in $(awk '$2 ~ "^/proc/" {print $2}' /proc/mounts); do umount "$path" 2>/dev/null || true; done
  mount -o remount,rw /proc/sys 2>/dev/null || true
  mount -o remount,rw /sys 2>/dev/null || true
}

own_the_cgroups() {
  if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    # Version 2: controllers are handed down only from a group without processes of its own.
    mount -o remount,rw /sys/fs/cgroup 2>/dev/null || true
    mkdir -p /sys/fs/cgroup/lab-init
    xargs -rn1 < /sys/fs/cgroup/cgroup.procs > /sys/fs/cgroup/lab-init/cgroup.procs 2>/dev/null || true
    sed -e 's/ / +/g' -e 's/^/+/' < /sys/fs/cgroup/cgroup.controllers > /sys/fs/cgroup/cgroup.subtree_control || true
  else
    for controller in /sys/fs/cgroup/*; do mount -o remount,bind,rw "$controller" 2>/dev/null || true; done
  fi
}

shape() {
  [ -n "${SHOAL_LAB_RATE:-}" ] || return 0
  tc qdisc replace dev eth0 root tbf rate "$SHOAL_LAB_RATE" burst 256kb latency 50ms
}

router() {
  sysctl -qw net.ipv4.ip_forward=1
  : > /run/lab-ready
  while :; do sleep 3600 & wait $!; done
}

node() {
  # Before the daemon: multicast and locality look at the default route.
  ip route replace default via "$1"
  shape
  own_the_cgroups
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/lock /etc/docker /var/log
  if [ -n "${SHOAL_LAB_RUNTIME:-}" ] && [ ! -e /etc/docker/daemon.json ]; then
    echo "{\"runtimes\":{\"shoal\":{\"path\":\"$SHOAL_LAB_RUNTIME\"}}}" > /etc/docker/daemon.json
  fi
  : > /run/lab-ready
  # A volume kept from an earlier run may hold the pid file of an engine long gone; /run is new, so that none is found.
  exec dockerd --pidfile /run/docker.pid --log-level warn
}

own_the_proc
case $1 in
  router) router ;;
  node) node "$2" ;;
  *) echo "entrypoint: unknown role $1" >&2; exit 64 ;;
esac
