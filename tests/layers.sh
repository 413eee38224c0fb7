#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Fails when a layer includes what it must not know. The arrows point one way:
# daemon -> actors -> {bridge, sandbox} -> proto, and interp -> bridge.
set -u
cd "$(dirname "$0")/.." || exit 2
status=0

# deny "FOLDERS" INCLUDE REASON [EXCEPT]: no file under FOLDERS includes what matches INCLUDE.
deny() {
  for folder in $1; do
    [ -d "$folder" ] || continue
    found=$(grep -rnE "^[[:space:]]*#[[:space:]]*include [<\"]$2" "$folder" \
      --include='*.hpp' --include='*.cpp' --include='*.h' --include='*.c' |
      grep -vE "^(${4:-nothing})" || :)
    if [ -n "$found" ]; then
      printf '%s\n  layers: %s\n' "$found" "$3"
      status=1
    fi
  done
}

deny "proto sandbox bridge interp clients" "caf/" "only actors/ and daemon/ know CAF"
deny "proto sandbox bridge actors daemon clients" "Python\.h" "only interp/ knows Python"
deny "proto sandbox bridge interp actors" "boost/beast" "only daemon/ and clients/ know HTTP"
deny "proto bridge interp actors daemon clients" "(seccomp|linux/seccomp|linux/landlock)\.h" \
  "only sandbox/ knows the kernel's filters"
deny "proto sandbox bridge interp actors" "[a-z0-9_/]*\.pb\.h" "protobuf stays at the edges"
deny "proto" "(sandbox|bridge|interp|actors|daemon|clients)/" "the vocabulary depends on nothing"
deny "sandbox" "(bridge|interp|actors|daemon|clients)/" "sandbox/ sees proto/ only"
deny "bridge" "(sandbox|interp|actors|daemon|clients)/" "bridge/ sees proto/ only"
# The worker seals itself: the steps of the seal are the one part of sandbox/ that interp/ calls.
deny "interp" "(actors|daemon|clients)/" "interp/ and the daemon's side never see each other"
deny "actors" "(interp|daemon|clients)/" "actors/ sees bridge/, sandbox/ and proto/"
deny "daemon" "(interp|clients)/" "daemon/ sees actors/ and what is below"
deny "clients/cpp/include" "(boost/beast|[a-z0-9_/]*\.pb\.h)" "the client's headers hide its wire"
deny "clients" "(sandbox|bridge|interp|actors|daemon)/" "clients use the public API only"

exit "$status"
