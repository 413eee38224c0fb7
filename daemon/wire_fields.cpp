// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_fields.hpp"

#include "bridge/validate.hpp"

namespace vivarium::wire {

using protozero::pbf_reader;

status take_text(std::string& into, pbf_reader& reader, std::string_view field) {
  auto text = view_of(reader);
  if (!bridge::is_utf8(text))
    return wrong("`" + std::string{field} + "` is not valid UTF-8");
  into.assign(text);
  return done{};
}

status take_ms(std::chrono::milliseconds& into, pbf_reader& reader, std::string_view field) {
  auto value = reader.get_uint64();
  if (value > most_ms)
    return wrong("`" + std::string{field} + "` is too large");
  into = std::chrono::milliseconds{value};
  return done{};
}

status skip(pbf_reader& reader) {
  reader.skip();
  return done{};
}

status check_enum(std::int32_t value, std::int32_t last, std::string_view field) {
  if (value < 0 || value > last)
    return wrong("`" + std::string{field} + "` has no such value");
  return done{};
}

binary_form::binary_form(message type, codec as, std::string_view bytes) : view_{bytes} {
  if (as == codec::proto || bytes.empty())
    return;
  auto translated = to_binary(type, bytes);
  if (!translated) {
    failed_ = std::move(translated).why();
    return;
  }
  owned_ = *std::move(translated);
  view_ = owned_;
}

} // namespace vivarium::wire
