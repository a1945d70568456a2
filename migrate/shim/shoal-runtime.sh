#!/bin/sh
# OCI runtime "shoal": runc, but a container that has a restore directory is restored from it instead of being created anew.
#
# The engine calls this for every container it was told to run with the runtime `shoal`. The container's id is the last argument of each
# call. Without $run_dir/restore/<id>/armed every call goes straight to runc. With it, the first `create` claims the directory (so that a
# later `docker restart` starts the program afresh) and this happens (docs/protocols/move.md, "The runtime shim"):
#
#   create   starts `runc restore` in the background with the container's own stdio; runc calls the hook below once the namespaces
#            exist; the hook writes the pid file, lets create return, and holds the restore while the engine builds the network
#   start    releases the hook, waits for the restore and returns its exit status
#
# Every wait has a deadline. What went wrong stands as JSON in the file of --log, where the engine looks for it.
set -u
# runc starts hooks with an empty environment.
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH

run_dir=${SHOAL_RUN_DIR:-/run/shoal}
runc=${SHOAL_RUNC:-runc}
# Seconds. create: until the namespaces exist. hold: for the engine's network. restore: all memory read back, hold included.
create_s=60
hold_s=60
restore_s=240
wake_s=10

# wake FIFO WORD: says WORD to whoever reads the FIFO, or gives up.
# shellcheck disable=SC2016  # the inner shell expands
wake() { timeout "$wake_s" sh -c 'printf "%s\n" "$2" > "$1"' - "$1" "$2"; }

# fail SENTENCE: the engine shows the last error line of the log file.
fail() {
  if [ -n "${log:-}" ]; then
    printf '{"level":"error","msg":"shoal: %s"}\n' "$(printf '%s' "$1" | tr -d '\\"' | tr '\n\t' '  ')" >> "$log"
  fi
  echo "shoal: $1" >&2
  exit 1
}

# Engine defaults and --sysctl of the network namespace: runc sets them in create, CRIU does not.
# shellcheck disable=SC2016  # the inner shell expands
set_sysctls() {
  sed -n 's/.*"sysctl":{\([^}]*\)}.*/\1/p' "$2/config.json" | sed 's/","/"\n"/g' \
    | sed -n 's/^"\(net\.[^"]*\)":"\([^"]*\)"$/\1=\2/p' \
    | nsenter -t "$1" -n sh -c 'while IFS="=" read -r key value; do
        printf "%s" "$value" > "/proc/sys/$(printf "%s" "$key" | tr . /)" || exit 1
      done'
}

# hook CLAIMED PID_FILE BUNDLE: called by runc, with the container's state as JSON on stdin.
hook() {
  pid=$(sed -n 's/.*"pid": *\([0-9][0-9]*\).*/\1/p')
  [ -n "$pid" ] || exit 1
  set_sysctls "$pid" "$3" || exit 1
  # No newline: the engine reads the file as a number.
  printf '%s' "$pid" > "$2.part" && mv "$2.part" "$2" || exit 1
  : > "$1/held"
  wake "$1/created" held || exit 1
  word=$(timeout "$hold_s" cat "$1/go") && [ "$word" = go ]
}

# add_hook BUNDLE CLAIMED PID_FILE: the engine writes config.json anew for each create, on one line, as a rule without hooks.
add_hook() {
  entry="\"createRuntime\":[{\"path\":\"$self\",\"args\":[\"$self\",\"shoal-hook\",\"$2\",\"$3\",\"$1\"]}]"
  if grep -q '"createRuntime":' "$1/config.json"; then
    fail 'the engine gave this container createRuntime hooks of its own: it cannot be restored'
  elif grep -q '"hooks":{' "$1/config.json"; then
    sed -i "s|\"hooks\":{|\"hooks\":{$entry,|" "$1/config.json"
  else
    sed -i "1s|{|{\"hooks\":{$entry},|" "$1/config.json"
  fi
}

# The restore itself, in the background of create. Its exit status is said to whoever waits: create before the hook came, start after.
restore() {
  timeout -k 5 "$restore_s" "$runc" "$@"
  status=$?
  # The file's time is the moment the program ran again: the mover reads it.
  echo "$status" > "$claimed/status"
  if [ -e "$claimed/held" ]; then
    wake "$claimed/done" "$status"
  else
    wake "$claimed/created" "failed $status"
  fi
}

create() {
  mkdir -p "$run_dir/restoring"
  rm -rf "$claimed"
  mv -T "$run_dir/restore/$id" "$claimed" || fail "cannot claim $run_dir/restore/$id"
  rm -f "$claimed/armed"
  mkfifo -m 600 "$claimed/created" "$claimed/go" "$claimed/done" || fail "cannot make pipes in $claimed"
  add_hook "$bundle" "$claimed" "$pid_file"
  # A shell gives /dev/null to what it puts in the background; the program's own streams must arrive.
  exec 3<&0
  restore --root "$root" --log "$log" --log-format "$log_format" restore --detach --bundle "$bundle" \
    --image-path "$claimed/images" --work-path "$claimed/work" \
    --empty-ns network --manage-cgroups-mode ignore "$id" <&3 3<&- &
  exec 3<&-
  answer=$(timeout "$create_s" cat "$claimed/created")
  [ "$answer" = held ] && exit 0
  "$runc" --root "$root" delete --force "$id" 2> /dev/null
  rm -f "$claimed/created" "$claimed/go" "$claimed/done"
  fail "restore of $id failed before the program could run (${answer:-no answer in $create_s s}): see restore.log in $claimed/work"
}

start() {
  # A restore that is over already, or whose hook holds nothing any more (the engine fell between create and start, and calls again),
  # says nothing: its status is all there is.
  if [ ! -s "$claimed/status" ] && wake "$claimed/go" go; then
    answer=$(timeout "$restore_s" cat "$claimed/done")
  elif [ -s "$claimed/status" ]; then
    answer=$(cat "$claimed/status")
  else
    answer='nobody holds it any more'
  fi
  rm -f "$claimed/created" "$claimed/go" "$claimed/done" "$claimed/held"
  [ "$answer" = 0 ] && exit 0
  fail "restore of $id failed (${answer:-no answer in $restore_s s}): see restore.log in $claimed/work"
}

if [ "${1:-}" = shoal-hook ]; then
  hook "$2" "$3" "$4"
  exit $?
fi

id=
for word in "$@"; do id=$word; done
claimed=$run_dir/restoring/$id
[ -e "$run_dir/restore/$id/armed" ] || [ -p "$claimed/go" ] || exec "$runc" "$@"

self=$(readlink -f "$0")
root=/run/runc log=/dev/null log_format=json bundle=. pid_file='' console='' command=''
previous=
for word in "$@"; do
  case $previous in
    --root) root=$word ;;
    --log) log=$word ;;
    --log-format) log_format=$word ;;
    --bundle) bundle=$word ;;
    --pid-file) pid_file=$word ;;
    --console-socket) console=$word ;;
    *) case $word in create | start) [ -n "$command" ] || command=$word ;; esac ;;
  esac
  previous=$word
done

case $command in
  create)
    # Without a restore directory, pipes left here are those of a restore that nobody started.
    if [ ! -e "$run_dir/restore/$id/armed" ]; then
      rm -f "$claimed/created" "$claimed/go" "$claimed/done"
      exec "$runc" "$@"
    fi
    [ -z "$console" ] || fail 'a container with a terminal (-t) cannot be restored'
    [ -n "$pid_file" ] || fail 'create without --pid-file'
    create
    ;;
  start) [ -p "$claimed/go" ] && start ;;
esac
exec "$runc" "$@"
