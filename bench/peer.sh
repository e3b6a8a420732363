#!/bin/sh
# The peer of the benchmark: what a careful operator writes with df and the docker CLI to do the same job.
# It asks the same three gates as ci-docker-prune and prunes the same three kinds, by the engine's own prune commands.
#
#   peer.sh [--lean] [--until-deletions]
#
#   --lean             converging services by `docker service ls` alone; misses updates that are paused or roll back
#   --until-deletions  stop where the first deletion would be
#
# Environment: DOCKER_HOST; DISK (a path on the watched filesystem), WATERMARK (percent), UNTIL (such as 24h),
# SETTLE (seconds between the two looks).
# Ends with 0: done, or deferred with the reason on standard output.
set -eu

lean=''
stop_early=''
for option; do
  case $option in
    --lean) lean=yes ;;
    --until-deletions) stop_early=yes ;;
    *) echo "peer.sh: unknown option $option" >&2; exit 64 ;;
  esac
done

RUN='^[a-z0-9]{1,4}-[0-9a-f]{6}_ci_commoninternet_net_'

defer() {
  echo "deferred: $1"
  exit 0
}

# Gate 1: disk pressure, as df counts it, in blocks and in inodes.
under_pressure() {
  df -P "$DISK" | awk -v limit="$WATERMARK" 'NR == 2 { sub("%", "", $5); exit !($5 >= limit) }' ||
    df -Pi "$DISK" | awk -v limit="$WATERMARK" 'NR == 2 { sub("%", "", $5); exit !($5 >= limit) }'
}

# Gates 2 and 3, one look.
look() {
  # "name running/desired"; a job adds " (1/3 completed)".
  services=$(docker service ls --format '{{.Name}} {{.Replicas}}')
  run=$(printf '%s\n' "$services" | grep -Em1 "$RUN" || true)
  [ -z "$run" ] || defer "a CI run is live: service $run"

  # Task containers count by the name of their service, also after that has been deleted.
  containers=$(docker ps --all --filter status=created --filter status=restarting --filter status=running \
    --filter status=removing --filter status=paused \
    --format '{{.Label "com.docker.swarm.service.name"}}')
  run=$(printf '%s\n' "$containers" | grep -Em1 "$RUN" || true)
  [ -z "$run" ] || defer "a CI run is live: a task of $run"

  busy=$(printf '%s\n' "$services" | awk 'NF > 1 { split($2, n, "/"); if (n[1] != n[2]) { print; exit } }')
  [ -z "$busy" ] || defer "a service is converging: $busy"

  [ -z "$lean" ] && [ -n "$services" ] || return 0
  # The list does not show updates that are paused or roll back.
  busy=$(docker service ls --quiet |
    xargs docker service inspect --format '{{.Spec.Name}} {{with .UpdateStatus}}{{.State}}{{end}}' |
    grep -Em1 ' (updating|paused|rollback_started|rollback_paused)$' || true)
  [ -z "$busy" ] || defer "a service is converging: $busy"
}

if ! under_pressure; then
  echo "below the watermark"
  exit 0
fi
look
sleep "$SETTLE"
look

if [ -n "$stop_early" ]; then
  echo "this is where the deletions would begin"
  exit 0
fi

docker container prune --force --filter "until=$UNTIL"
docker image prune --force --filter "until=$UNTIL"
docker builder prune --force --filter "until=$UNTIL"
echo "pruned"
