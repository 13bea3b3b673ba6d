# shellcheck shell=bash disable=SC2034 # the variables of the environment file are used by name
# What compose/demo, compose/up and compose/down share: the run folder, the processes in it, and bringing them up.
# To be sourced, not run. The caller sets `me` (its name in messages) and runs under `set -euo pipefail`.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source-path=SCRIPTDIR source=signals.sh
. "$root/compose/signals.sh"
mkdir -p "${OMNIBUS_RUN_DIR:-$root/compose/.run}"
run=$(cd "${OMNIBUS_RUN_DIR:-$root/compose/.run}" && pwd)
export OMNIBUS_RUN_DIR=$run
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 # clones of one machine share what was compiled
logs=$run/logs
build=$root/build/release
bin=${OMNIBUS_BIN:-$build/bin} # OMNIBUS_BIN uses existing binaries: no set-up, no build
mapfile -t workers <"$root/workers/list.txt" # each a binary omnibus-NAME, in the order they are started and stopped
processes=("${workers[@]}" simulator broker) # in the order they are stopped

trap '' PIPE # if the reader of our output is gone, we still stop what we started
say() { printf '%s: %s\n' "${me:-compose}" "$*" >&2 2>/dev/null || true; }
fail() { say "$*"; exit 1; }

# Only one command at a time may use a run folder. Started processes do not inherit the lock: see 7>&-.
lock_run_folder() {
  exec 7>"$run/lock"
  flock -w "${1:-1}" 7 || fail "another compose/demo, compose/up or compose/down is at work in $run"
}

# Processes:
# A process is identified by its id and its start time, as the system reuses ids.
start_time() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" && $1 != "X" { print $20 }'; }
alive() {
  local pid begun
  read -r pid begun 2>/dev/null <"$run/processes/$1" || return 1
  [ -n "$begun" ] && [ "$(start_time "$pid")" = "$begun" ]
}

# start NAME COMMAND...: runs it in a new session, with its output in $logs/NAME.log.
start() {
  local name=$1 pid
  shift
  mkdir -p "$run/processes" "$logs"
  [ ! -s "$logs/$name.log" ] || mv "$logs/$name.log" "$logs/$name.before.log"
  setsid "$@" >"$logs/$name.log" 2>&1 </dev/null 6>&- 7>&- &
  pid=$!
  disown "$pid"
  echo "$pid $(start_time "$pid")" >"$run/processes/$name"
}

# stop NAME SECONDS: sends SIGTERM; if the process still runs after that time, sends SIGKILL and fails.
stop() {
  local name=$1 limit=$2 pid waited=0 status=0
  if alive "$name"; then
    read -r pid _ <"$run/processes/$name"
    kill -TERM "$pid" 2>/dev/null || true
    while alive "$name"; do
      if [ "$waited" -ge $((limit * 10)) ]; then
        say "$name did not stop within $limit s of SIGTERM and was killed; its log is $logs/$name.log"
        kill -KILL "$pid" 2>/dev/null || true
        status=1
        limit=$((limit + 5))
      fi
      sleep 0.1
      waited=$((waited + 1))
    done
  fi
  rm -f "$run/processes/$name"
  return "$status"
}

show_log() { # show_log NAME: the last lines of a process's log
  say "the last lines of $logs/$1.log:"
  tail -n 15 "$logs/$1.log" 2>/dev/null | cut -c1-600 >&2 || true
}
died() { show_log "$1"; fail "$1 $2; its whole log is $logs/$1.log"; }

# until_true NAME SECONDS WHAT COMMAND...: waits until the command succeeds; fails when the process ends or time is up.
until_true() {
  local name=$1 limit=$2 what=$3 waited=0
  shift 3
  until "$@" >/dev/null 2>&1; do
    alive "$name" || died "$name" "ended at its start"
    [ "$waited" -lt $((limit * 10)) ] || died "$name" "was not $what within $limit s"
    sleep 0.1
    waited=$((waited + 1))
  done
}

# logged NAME MESSAGE: the address in the log line with that message.
logged() { sed -n 's/.*"msg":"'"$2"'".*"address":"\([^"]*\)".*/\1/p' "$logs/$1.log" 2>/dev/null | tail -n 1 | grep .; }
answers() { curl -fsS --max-time 2 -o /dev/null "$1"; }

# progress LOG: how far ninja is, such as 42 % (20 of 48 steps).
progress() {
  local progress
  progress=$(sed -n 's|^\[\([0-9]*\)/\([0-9]*\)\].*|\1 \2|p' "$1" | tail -n 1 | awk '{ printf "%d %% (%d of %d steps)", 100 * $1 / $2, $1, $2 }')
  echo "${progress:-begun}"
}

# await LOG COMMAND...: in a session of its own, so that a signal to this script ends all of it; its output goes to the
# log, and every 10 s a line says how far ninja is.
awaited=''
await() {
  local log=$1 waited=0 status=0
  shift
  setsid "$@" >>"$log" 2>&1 </dev/null 6>&- 7>&- &
  awaited=$!
  while kill -0 "$awaited" 2>/dev/null; do
    sleep 0.2
    waited=$((waited + 1))
    [ $((waited % 50)) -ne 0 ] || say "building: $(progress "$log")"
  done
  wait "$awaited" || status=$?
  awaited=''
  return "$status"
}
end_awaited() { [ -z "$awaited" ] || kill -TERM -- "-$awaited" 2>/dev/null || true; }

# Set-up and build:
# prepare BROKER: installs packages and builds the binaries.
prepare() {
  [ -z "${OMNIBUS_BIN:-}" ] || return 0
  local purpose=demo
  [ "$1" != apache ] || purpose=tests # Java and Maven
  "$root/compose/setup" --for "$purpose" 7>&- || fail "compose/setup did not succeed"
  local targets=(omnibus) worker log=$build/build.log
  for worker in "${workers[@]}"; do targets+=("omnibus-$worker"); done
  mkdir -p "$build"
  exec 6>"$build/.lock"
  flock 6 # two builds in one folder would spoil each other
  say "building (log: $log)"
  : >"$log"
  { await "$log" env -C "$root" cmake --preset release && await "$log" cmake --build "$build" --target "${targets[@]}"; } || {
    grep -E -A 5 'error:|FAILED' "$log" | head -n 40 >&2 || true
    tail -n 5 "$log" >&2
    fail "the build failed; its log is $log"
  }
  exec 6>&-
}

# What runs:
# The options of what runs, one NAME=VALUE line each, are in $run/options.
option() { sed -n "s/^$1=//p" "$run/options" 2>/dev/null; }

# settle_options: sets `kafka` and `llm_url` from what runs; fails if other values were given.
settle_options() {
  if [ -e "$run/options" ]; then
    if [ -n "$kafka" ] && [ "$kafka" != "$(option kafka)" ]; then fail "it runs with --kafka $(option kafka); stop it first with compose/down"; fi
    if [ -n "$llm_url" ] && [ "$llm_url" != "$(option llm_url)" ]; then fail "it runs with another model endpoint; stop it first with compose/down"; fi
    kafka=$(option kafka) llm_url=$(option llm_url)
  fi
  kafka=${kafka:-embedded}
  case $kafka in
    embedded | apache | *:*) ;;
    *) say "--kafka takes embedded, apache or HOST:PORT, not $kafka"; exit 2 ;;
  esac
  case $llm_url in
    '' | http://* | https://*) ;;
    *) say "--llm-url takes a base URL such as https://api.openai.com/v1, not $llm_url"; exit 2 ;;
  esac
}

bring_up_broker() {
  case $kafka in
    embedded)
      if ! alive broker; then
        stop_workers # a new broker has a new address and has forgotten everything
        rm -f "$run/broker.ready"
        start broker "$bin/omnibus" broker --ready-file "$run/broker.ready"
      fi
      until_true broker 20 ready test -s "$run/broker.ready"
      OMNIBUS_KAFKA=$(<"$run/broker.ready")
      ;;
    apache)
      OMNIBUS_KAFKA=$("$root/compose/kafka" up 6>&- 7>&-) || fail "Apache Kafka does not start"
      ;;
    *) OMNIBUS_KAFKA=$kafka ;;
  esac
  [ "$kafka" = embedded ] || "$bin/omnibus" topics apply --brokers "$OMNIBUS_KAFKA" >"$logs/topics.log" 2>&1 ||
    { cat "$logs/topics.log" >&2; fail "the topics could not be applied to $OMNIBUS_KAFKA"; }
}

bring_up_database() {
  "$root/compose/postgres" up 6>&- 7>&- 2>"$logs/postgres.log" || { cat "$logs/postgres.log" >&2; fail "PostgreSQL does not start"; }
  DATABASE_URL=$("$root/compose/postgres" url) "$bin/omnibus" migrate up >"$logs/migrate.log" 2>&1 ||
    { cat "$logs/migrate.log" >&2; fail "the migrations failed"; }
  OMNIBUS_DATABASE=$("$root/compose/postgres" url readonly)
}

# bring_up_tenant DOMAIN TOKEN [ROLE]: prints the token, a new one of that role if none is given.
bring_up_tenant() {
  local domain=$1 token=$2 role=${3:-service}
  DATABASE_URL=$("$root/compose/postgres" url)
  export DATABASE_URL
  "$bin/omnibus" tenant add "$domain" >>"$logs/tenants.log" 2>&1 || return 1
  [ -n "$token" ] || token=$("$bin/omnibus" token create --role "$role" --domain "$domain" 2>>"$logs/tenants.log") || return 1
  echo "$token"
}
bring_up_tenants() {
  local token='' other='' file=$run/environment
  if [ -e "$file" ]; then # only their hashes are in the database
    # shellcheck disable=SC1090 # written by write_environment
    token=$(. "$file" && echo "$OMNIBUS_TOKEN") other=$(. "$file" && echo "$OMNIBUS_TOKEN_OTHER")
  fi
  OMNIBUS_DOMAIN=shop.example OMNIBUS_DOMAIN_OTHER=bank.example
  { OMNIBUS_TOKEN=$(bring_up_tenant "$OMNIBUS_DOMAIN" "$token") && OMNIBUS_TOKEN_OTHER=$(bring_up_tenant "$OMNIBUS_DOMAIN_OTHER" "$other"); } ||
    { cat "$logs/tenants.log" >&2; fail "the tenants could not be made"; }
}

random_secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
# The secrets of webhook signatures and of Kafka keys: generated once per run.
bring_up_secrets() {
  OMNIBUS_WEBHOOK_SECRET='' OMNIBUS_PROFILE_KEY_SECRET=''
  if [ -e "$run/environment" ]; then
    # shellcheck disable=SC1090,SC1091 # written by write_environment
    OMNIBUS_WEBHOOK_SECRET=$(. "$run/environment" && echo "${OMNIBUS_WEBHOOK_SECRET:-}")
    # shellcheck disable=SC1090,SC1091
    OMNIBUS_PROFILE_KEY_SECRET=$(. "$run/environment" && echo "${OMNIBUS_PROFILE_KEY_SECRET:-}")
  fi
  [ -n "$OMNIBUS_WEBHOOK_SECRET" ] || OMNIBUS_WEBHOOK_SECRET=$(random_secret)
  [ -n "$OMNIBUS_PROFILE_KEY_SECRET" ] || OMNIBUS_PROFILE_KEY_SECRET=$(random_secret)
}

# start_worker NAME SETTING=VALUE...: unless it runs.
start_worker() {
  local name=$1
  shift
  alive "$name" || start "$name" env KAFKA_BROKERS="$OMNIBUS_KAFKA" DATABASE_URL="$("$root/compose/postgres" url "$name")" \
    HTTP_LISTEN=127.0.0.1:0 METRICS_LISTEN=127.0.0.1:0 "$@" "$bin/omnibus-$name"
}
# bring_up_gateway: before the simulator, which posts receipts to it.
bring_up_gateway() {
  if ! alive gateway; then # a new one has a new address
    stop_workers
    stop simulator 40
  fi
  start_worker gateway WEBHOOK_DOMAIN="$OMNIBUS_DOMAIN" PROFILE_KEY_SECRET="$OMNIBUS_PROFILE_KEY_SECRET" \
    CALLS_WEBHOOK_SECRET="$OMNIBUS_WEBHOOK_SECRET" MTN_WEBHOOK_SECRET="$OMNIBUS_WEBHOOK_SECRET" \
    WHATSAPP_APP_SECRET="$OMNIBUS_WEBHOOK_SECRET" WHATSAPP_VERIFY_TOKEN="$OMNIBUS_WEBHOOK_SECRET"
  until_true gateway 20 listening logged gateway "http listening"
  OMNIBUS_GATEWAY=http://$(logged gateway "http listening")
}

bring_up_model() {
  local name
  OMNIBUS_LLM=$llm_url
  [ -z "$llm_url" ] || return 0
  if ! alive simulator; then # a new one has a new address
    for name in "${workers[@]}"; do [ "$name" = gateway ] || stop "$name" 40; done
    rm -f "$run/simulator.ready"
    start simulator env WHATSAPP_APP_SECRET="$OMNIBUS_WEBHOOK_SECRET" MTN_WEBHOOK_SECRET="$OMNIBUS_WEBHOOK_SECRET" \
      "$bin/omnibus" simulate --port 0 --ready-file "$run/simulator.ready" --latency 80 --latency-jitter 120 \
      --webhooks "$OMNIBUS_GATEWAY" --receipt-spread 200
  fi
  until_true simulator 20 ready test -s "$run/simulator.ready"
  OMNIBUS_LLM=$(<"$run/simulator.ready")
}

stop_workers() {
  local name status=0
  for name in "${workers[@]}"; do stop "$name" 40 || status=1; done
  return "$status"
}
# messages_to_simulator: notify's settings for the simulator, if it runs and no real provider is set.
messages_to_simulator() {
  local base=${OMNIBUS_LLM%/v1}
  alive simulator && [ -z "${WHATSAPP_ACCESS_TOKEN:-}${MTN_SMS_API_KEY:-}${TWILIO_ACCOUNT_SID:-}" ] || return 0
  printf '%s\n' WHATSAPP_BASE_URL="$base/v23.0" WHATSAPP_ACCESS_TOKEN=simulated WHATSAPP_PHONE_NUMBER_ID=1001 \
    WHATSAPP_TEMPLATE_NAME=notification MTN_SMS_BASE_URL="$base" MTN_SMS_API_KEY=simulated MTN_SMS_API_SECRET=simulated \
    WHATSAPP_PRICE_MICROS=0 SMS_SEGMENT_PRICE_MICROS=0
}
bring_up_workers() {
  local name
  local messages
  mapfile -t messages < <(messages_to_simulator)
  if alive notify; then # it sends to the provider that was set when it started
    # shellcheck disable=SC1090,SC1091 # written by write_environment
    OMNIBUS_MESSAGES=$(. "$run/environment" 2>/dev/null && echo "${OMNIBUS_MESSAGES:-}") || OMNIBUS_MESSAGES=unknown
  else
    OMNIBUS_MESSAGES=$([ "${#messages[@]}" -gt 0 ] && echo simulator || echo providers)
  fi
  for name in "${workers[@]}"; do
    local more=()
    [ "$name" != notify ] || more=("${messages[@]}")
    case $name in sms | notify | gdpr) more+=(PROFILE_KEY_SECRET="$OMNIBUS_PROFILE_KEY_SECRET") ;; esac
    start_worker "$name" LLM_BASE_URL="$OMNIBUS_LLM" LLM_API_KEY="${LLM_API_KEY:-$([ -n "$llm_url" ] || echo simulated)}" "${more[@]}"
  done
  OMNIBUS_METRICS=
  for name in "${workers[@]}"; do
    until_true "$name" 20 listening logged "$name" "metrics listening"
    OMNIBUS_METRICS+="${OMNIBUS_METRICS:+ }http://$(logged "$name" "metrics listening")"
    until_true "$name" 60 ready answers "http://$(logged "$name" "metrics listening")/readyz"
  done
}

variables=(OMNIBUS_RUN_DIR OMNIBUS_KAFKA OMNIBUS_GATEWAY OMNIBUS_TOKEN OMNIBUS_DOMAIN OMNIBUS_TOKEN_OTHER OMNIBUS_DOMAIN_OTHER OMNIBUS_DATABASE
  OMNIBUS_METRICS OMNIBUS_LLM OMNIBUS_LOGS OMNIBUS_WEBHOOK_SECRET OMNIBUS_PROFILE_KEY_SECRET OMNIBUS_MESSAGES)
# What `omnibus` and the workers read; not exported to what a script itself starts, which gets its own.
settings=(KAFKA_BROKERS DATABASE_URL OPERATOR_DATABASE_URL REPLAY_DATABASE_URL LLM_BASE_URL)
write_environment() {
  local name
  OMNIBUS_LOGS=$logs
  export "${variables[@]}"
  (
    umask 077 # it holds tokens
    exec >"$run/environment.new"
    KAFKA_BROKERS=$OMNIBUS_KAFKA DATABASE_URL=$OMNIBUS_DATABASE LLM_BASE_URL=$OMNIBUS_LLM
    OPERATOR_DATABASE_URL=$("$root/compose/postgres" url operator) REPLAY_DATABASE_URL=$("$root/compose/postgres" url replay)
    for name in "${variables[@]}" "${settings[@]}"; do printf "%s='%s'\n" "$name" "${!name}"; done
    echo "export ${variables[*]} ${settings[*]}"
    # shellcheck disable=SC2016 # for the shell that sources it
    printf 'case ":$PATH:" in *:"%s":*) ;; *) export PATH="%s:$PATH" ;; esac\n' "$bin" "$bin"
  )
  mv "$run/environment.new" "$run/environment"
}

# bring_up: starts whatever does not run yet, for `kafka` and `llm_url`.
bring_up() {
  mkdir -p "$logs"
  [ -e "$run/options" ] || rm -f "$logs"/*.log # of an earlier one
  (umask 077 && printf 'kafka=%s\nllm_url=%s\n' "$kafka" "$llm_url" >"$run/options")
  say "bringing up Kafka ($kafka), PostgreSQL, $([ -n "$llm_url" ] || echo 'model simulator, ')gateway and workers"
  bring_up_broker
  bring_up_database
  bring_up_tenants
  bring_up_secrets
  bring_up_gateway
  bring_up_model
  bring_up_workers
  write_environment
}

# take_down: stops everything; only the logs stay.
take_down() {
  local name status=0
  mkdir -p "$logs"
  for name in "${processes[@]}"; do stop "$name" 40 || status=1; done
  for name in "$run"/processes/*; do [ ! -e "$name" ] || stop "${name##*/}" 40 || status=1; done # of a worker not listed now
  "$root/compose/postgres" down 6>&- 7>&- 2>>"$logs/postgres.log" || { say "PostgreSQL did not stop; see $logs/postgres.log"; status=1; }
  [ "$(option kafka)" != apache ] || "$root/compose/kafka" down 6>&- 7>&- 2>>"$logs/kafka.log" || { say "Apache Kafka did not stop; see $logs/kafka.log"; status=1; }
  rm -rf "$run/processes"
  rm -f "$run"/{environment,environment.new,options,broker.ready,simulator.ready}
  return "$status"
}
