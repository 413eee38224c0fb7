#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# A function that Python calls, offered with nothing but curl: a stream brings the calls, a request
# answers each.
set -eu
url=${VIVARIUM_URL:-http://127.0.0.1:7717}/vivarium.v1
folder=$(mktemp -d)
mkfifo "$folder/calls"
host=
trap '[ -z "$host" ] || kill "$host" 2>/dev/null || :; rm -rf "$folder"' EXIT

# post METHOD JSON
post() {
  curl -sS --fail-with-body -H 'content-type: application/json' -d "$2" "$url.$1"
  echo
}

# A request of a stream is one envelope: a zero, the length in four bytes, and the JSON.
request='{"names":["greet"]}'
{ printf '\000\000\000\000\023'; printf %s "$request"; } |
  curl -sSN -H 'content-type: application/connect+json' --data-binary @- \
    "$url.HostService/Serve" >"$folder/calls" &
host=$!
exec 3<"$folder/calls"

# Answers are envelopes too. Each of these has less than 256 bytes of JSON.
next() {
  length=$(dd bs=1 count=5 <&3 2>/dev/null | od -An -tu1 | awk '{ print $5 + 256 * $4 }')
  dd bs=1 count="$length" <&3 2>/dev/null
}

next >/dev/null # {"serving":{}}: from here on it is offered.

post ExecutionService/Eval '{"source":"import vivarium\nvivarium.host.greet(\"curl\")",
  "resultFormat":"RESULT_FORMAT_JSON"}' >"$folder/verdict" &
evaluation=$!

call=$(next)
id=$(printf %s "$call" | sed 's/.*"callId":"\([^"]*\)".*/\1/')
name=$(printf %s "$call" | sed 's/.*"jsonArgs":\["\([^"]*\)"\].*/\1/')
post HostService/Answer "{\"callId\":\"$id\",\"json\":\"Hello, $name!\"}"
wait "$evaluation"
grep -o '"result":{"json":"[^"]*"}' "$folder/verdict"
