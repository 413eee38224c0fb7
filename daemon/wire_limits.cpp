// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_limits.hpp"

#include "daemon/wire_fields.hpp"

namespace vivarium::wire {

status read_limits(limits_request& into, std::string_view bytes) {
  return read_fields(bytes, [&into](protozero::pbf_reader& r) -> status {
    for (const auto& one : all_limits())
      if (field_of(r) == number_field(static_cast<std::uint32_t>(one.which) + 1)) {
        into[one.which] = r.get_uint64();
        return done{};
      }
    return skip(r);
  });
}

void append_limits(std::string& out, std::uint32_t field, const session_limits& what) {
  std::string content;
  for (const auto& one : all_limits()) {
    if (what[one.which] == no_limit)
      continue;
    // Present although it may be 0.
    append_varint(content, number_field(static_cast<std::uint32_t>(one.which) + 1));
    append_varint(content, what[one.which]);
  }
  append_bytes(out, field, content);
}

} // namespace vivarium::wire
