// SPDX-License-Identifier: Apache-2.0
#include "bridge/value_view.hpp"

#include <cstring>

namespace vivarium::bridge {

namespace {

std::uint64_t take_varint(std::string_view& from) noexcept {
  std::uint64_t value = 0;
  for (int shift = 0; !from.empty() && shift < 64; shift += 7) {
    auto byte = static_cast<unsigned char>(from.front());
    from.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80)
      break;
  }
  return value;
}

// Never beyond what is there, even if nobody validated it.
std::string_view take_bytes(std::string_view& from) noexcept {
  auto size = take_varint(from);
  auto content = from.substr(0, size);
  from.remove_prefix(content.size());
  return content;
}

} // namespace

value_view value_view::open(std::string_view encoded) {
  value_view view;
  view.kind = static_cast<value_kind>(take_varint(encoded) >> 3);
  switch (view.kind) {
    case value_kind::boolean: view.bits = take_varint(encoded) != 0; break;
    case value_kind::integer: {
      auto zigzag = take_varint(encoded);
      view.bits = zigzag >> 1 ^ (~(zigzag & 1) + 1);
      break;
    }
    case value_kind::real:
      if (encoded.size() >= sizeof(view.bits))
        std::memcpy(&view.bits, encoded.data(), sizeof(view.bits));
      break;
    default: view.content = take_bytes(encoded);
  }
  return view;
}

bool field_walk::next() {
  if (rest_.empty())
    return false;
  number_ = static_cast<std::uint32_t>(take_varint(rest_) >> 3);
  content_ = take_bytes(rest_);
  return true;
}

entry_view open_entry(std::string_view encoded) {
  entry_view entry;
  for (field_walk fields{encoded}; fields.next();)
    (fields.number() == 1 ? entry.key : entry.value) = fields.content();
  return entry;
}

std::string_view repr_of_opaque(std::string_view encoded) {
  std::string_view repr;
  for (field_walk fields{encoded}; fields.next();)
    if (fields.number() == 2)
      repr = fields.content();
  return repr;
}

} // namespace vivarium::bridge
