// SPDX-License-Identifier: Apache-2.0
// Natural JSON of a client: whatever becomes a value is one that the validator accepts, and that
// has a form in natural JSON again.
#include "bridge/natural.hpp"
#include "bridge/natural_in.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

using namespace vivarium::bridge;

namespace {

void check(const vivarium::result<std::string>& made) {
  if (!made)
    return;
  if (!validate_value(*made))
    std::abort();
  std::string json;
  append_json(json, *made);
  if (!is_utf8(json))
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view encoded{reinterpret_cast<const char*>(data), size};
  check(value_of_struct(encoded));
  check(value_of_struct_map(encoded));
  check(value_of_list(encoded));
  if (validate_value(encoded)) {
    // What natural JSON says of any value can be read again, unless it nests deeper than values do.
    std::string as_struct;
    append_struct_value(as_struct, encoded);
    check(value_of_struct(as_struct));
  }
  return 0;
}
