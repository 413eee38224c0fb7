// SPDX-License-Identifier: Apache-2.0
#include "bridge/value_writer.hpp"

#include "bridge/value_view.hpp"

#include <protozero/buffer_string.hpp>
#include <protozero/pbf_builder.hpp>
#include <protozero/pbf_writer.hpp>

namespace vivarium::bridge {

namespace {

using protozero::pbf_writer;

constexpr std::uint32_t field(value_kind kind) noexcept {
  return static_cast<std::uint32_t>(kind);
}

std::string sequence(value_kind kind, std::span<const std::string> items) {
  std::string inside;
  pbf_writer writer{inside};
  for (const auto& item : items)
    writer.add_message(1, item);
  std::string out;
  pbf_writer{out}.add_message(field(kind), inside);
  return out;
}

} // namespace

std::string none_value() {
  std::string out;
  pbf_writer{out}.add_message(field(value_kind::none), std::string{});
  return out;
}

std::string int_value(std::int64_t value) {
  std::string out;
  pbf_writer{out}.add_sint64(field(value_kind::integer), value);
  return out;
}

std::string text_value(std::string_view utf8) {
  std::string out;
  pbf_writer{out}.add_string(field(value_kind::text), utf8.data(), utf8.size());
  return out;
}

std::string list_value(std::span<const std::string> items) {
  return sequence(value_kind::list, items);
}

std::string tuple_value(std::span<const std::string> items) {
  return sequence(value_kind::tuple, items);
}

std::string dict_value(std::span<const std::pair<std::string, std::string>> entries) {
  std::string inside;
  pbf_writer writer{inside};
  for (const auto& [key, value] : entries) {
    std::string entry;
    pbf_writer in{entry};
    in.add_message(1, text_value(key));
    in.add_message(2, value);
    writer.add_message(1, entry);
  }
  std::string out;
  pbf_writer{out}.add_message(field(value_kind::dict), inside);
  return out;
}

} // namespace vivarium::bridge
