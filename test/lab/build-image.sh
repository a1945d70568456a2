#!/bin/sh
# Which image do the lab's nodes run? Builds it where it is missing and prints its tag; called by startLab and by hand.
#
# Debian testing by debootstrap (a registry is not needed), kept as a tar in the cache, imported, and dressed by the Dockerfile's
# `lab` target. Tags are hashes of what went in, so that nothing is built twice; a lock lets one process build at a time.
# SHOAL_BASE names a ready base image instead (with the packages of packages.txt in it, or an apt that reaches them).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
cache=${SHOAL_CACHE:-/var/cache/shoal}
suite=testing
say() { printf 'image: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# The mirror this machine's apt uses for Debian itself (not -security or -updates).
mirror() {
  apt-get indextargets --format '$(REPO_URI) $(LABEL) $(COMPONENT)' 'Created-By: Packages' \
    | awk '$2 == "Debian" && $3 == "main" { print $1; exit }'
}

hash() { sha256sum | cut -c1-16; }

# Changing how the tar is made changes its name too: bump the recipe.
recipe=1
base_hash=$({ echo "$suite $(dpkg --print-architecture) $recipe"; cat "$here/packages.txt"; } | hash)
base_tar=$cache/base-$base_hash.tar

make_base_tar() {
  [ -e "$base_tar" ] && return 0
  from=$(mirror)
  [ -n "$from" ] || die 'apt knows no Debian mirror (`apt-get indextargets` lists none): run apt-get update'
  say "making $base_tar with debootstrap (about a minute, once; log: $cache/debootstrap.log)"
  tree=$cache/tree.$$
  trap 'rm -rf "$tree" "$base_tar.part"' EXIT
  debootstrap --variant=minbase --include="$(paste -sd, "$here/packages.txt")" "$suite" "$tree" "$from" \
    >"$cache/debootstrap.log" 2>&1 || { tail -n 20 "$cache/debootstrap.log" >&2; die "debootstrap failed: see $cache/debootstrap.log"; }
  rm -rf "$tree"/var/cache/apt/*.bin "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/* \
    "$tree"/usr/share/doc "$tree"/usr/share/locale "$tree"/usr/share/man "$tree"/var/log/*.log
  mkdir -p "$tree/var/lib/apt/lists/partial" "$tree/usr/share/man/man1"
  tar --numeric-owner --xattrs -C "$tree" -cf "$base_tar.part" .
  mv "$base_tar.part" "$base_tar"
  rm -rf "$tree"
}

exists() { docker image inspect "$1" >/dev/null 2>&1; }

build() {
  if ! exists "$base"; then
    [ -z "${SHOAL_BASE:-}" ] || die "SHOAL_BASE: the engine has no image $SHOAL_BASE"
    make_base_tar
    say "importing $base"
    docker import "$base_tar" "$base" >/dev/null
  fi
  exists "$tag" && return 0
  say "building $tag"
  # The classic builder: no plugin to install, nothing to pull. The context is two files, whatever lies in the tree.
  tar -C "$root" -c Dockerfile test/lab/packages.txt \
    | DOCKER_BUILDKIT=0 docker build --target lab --build-arg "BASE=$base" --tag "$tag" - >"$cache/image.log" 2>&1 || { cat "$cache/image.log" >&2; die "docker build failed: see $cache/image.log"; }
}

base=${SHOAL_BASE:-shoal-base:$base_hash}
tag=shoal-lab:$({ echo "$base"; cat "$root/Dockerfile" "$here/packages.txt"; } | hash)
if ! exists "$tag"; then
  mkdir -p "$cache"
  (
    flock -w 900 8 || die "another build holds $cache/base.lock for 15 minutes"
    build
  ) 8>"$cache/base.lock"
fi
echo "$tag"
