// SPDX-License-Identifier: Apache-2.0
// An encoded value: whatever the validator accepts must come out as JSON.
#include "bridge/natural.hpp"
#include "bridge/validate.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

using namespace vivarium::bridge;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view encoded{reinterpret_cast<const char*>(data), size};
  (void)validate_error(encoded);
  (void)validate_display(encoded);
  (void)validate_items(encoded, 1, false);
  (void)validate_items(encoded, 1, true);
  if (!validate_value(encoded))
    return 0;
  std::string json, as_struct;
  append_json(json, encoded);
  append_struct_value(as_struct, encoded);
  if (!is_utf8(json))
    std::abort();
  return 0;
}
