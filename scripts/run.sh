#!/bin/sh
# Runs the pinned Bun with the arguments given, from the root of the repository. Installs the pinned packages
# first when node_modules is missing or older than package.json or package-lock.json.
# Needs sh, and npm or bun on the PATH; every script of package.json goes through here.
set -eu
cd "${0%/*}/.."
bun=node_modules/bun/bin/bun.exe
stamp=node_modules/.installed

if ! [ -e "$stamp" ] || [ package.json -nt "$stamp" ] || [ package-lock.json -nt "$stamp" ]; then
  echo "asyncore: installing the pinned packages (once)" >&2
  case ${npm_config_user_agent:-} in
    bun/*) outer=${npm_execpath:-bun} ;;
    *) if command -v npm >/dev/null 2>&1; then outer=npm; else outer=bun; fi ;;
  esac
  if [ "$outer" = npm ]; then
    npm ci --no-audit --no-fund --loglevel=error >&2
    run_js=node
  else
    # Reads package-lock.json; --no-save keeps a second lock file from appearing.
    "$outer" install --frozen-lockfile --no-save >&2
    run_js=$outer
  fi
  # Where install scripts are switched off, the bun package is a stub until its own script has run.
  "$bun" --version >/dev/null 2>&1 || "$run_js" node_modules/bun/install.js >&2
  "$bun" --version >/dev/null
  : >"$stamp"
fi

exec "$bun" "$@"
