# shellcheck shell=bash
# To be sourced, not run.

# exit_on_signals: SIGINT, SIGTERM and SIGHUP end the script with 128 + the signal's number; its EXIT trap then cleans up.
# Why two lines: Bash 5.2 may run a pending trap while it parses a "$(...)", and reads the trap's text as the inside of
# that "$(...)". Without a closing parenthesis it reports a syntax error and loses the signal. Everywhere else `exit` ends
# the script before the second line is read.
exit_on_signals() {
  local end=$'#\n)'
  # shellcheck disable=SC2064 # to be expanded now
  trap "exit 130 $end" INT
  # shellcheck disable=SC2064
  trap "exit 143 $end" TERM HUP
}
