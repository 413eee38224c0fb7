// SPDX-License-Identifier: Apache-2.0
#include "bridge/natural.hpp"
#include "bridge/natural_in.hpp"
#include "daemon/wire_bytes.hpp"
#include "daemon/wire_fields.hpp"
#include "daemon/wire_value.hpp"
#include "proto/ids.hpp"

#include <utility>

// Messages between sessions and clients.
namespace vivarium::wire {

namespace {

using protozero::pbf_reader;

constexpr std::size_t most_destination = 256;

std::string encode_time(std::chrono::system_clock::time_point when) {
  using namespace std::chrono;
  auto whole = floor<seconds>(when);
  std::string out;
  append_number(out, 1, static_cast<std::uint64_t>(whole.time_since_epoch().count()));
  append_number(out, 2,
                static_cast<std::uint64_t>(duration_cast<nanoseconds>(when - whole).count()));
  return out;
}

} // namespace

result<send_request> decode_send(codec as, std::string_view bytes) {
  send_request what;
  std::string natural;
  std::uint32_t field = 0;
  binary_form form{message::send_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.to, r, "to");
      case text_field(2):
      case text_field(3):
        // Of a choice the last one counts; one that comes twice is merged.
        if (std::exchange(field, r.tag()) != field) {
          what.value.clear();
          natural.clear();
        }
        (field == 2 ? what.value : natural) += view_of(r);
        return done{};
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  if (what.to.empty() || what.to.size() > most_destination)
    return wrong("`to` is required, and has at most " + std::to_string(most_destination)
                 + " bytes");
  if (field == 0)
    return wrong("`value` or `json` is required");
  if (field == 3) {
    auto made = bridge::value_of_struct(natural);
    if (!made)
      return of_client(std::move(made).why(), "json");
    what.value = *std::move(made);
  }
  if (ok = check_value(what.value, "value"); !ok)
    return std::move(ok).why();
  return what;
}

result<receive_request> decode_receive(codec as, std::string_view bytes) {
  receive_request what;
  std::int32_t format = 0;
  auto ok = binary_form{message::receive_request, as, bytes}.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.name, r, "name");
      case number_field(2): format = r.get_enum(); return done{};
      default: return skip(r);
    }
  });
  if (ok)
    ok = check_enum(format, 2, "format");
  if (ok && !what.name.empty())
    ok = check_name(what.name);
  if (!ok)
    return std::move(ok).why();
  what.format = static_cast<result_format>(format);
  return what;
}

result<std::string> encode_sent(codec as, std::uint64_t receivers) {
  std::string out;
  append_number(out, 1, receivers);
  return as == codec::json ? to_json(message::send_response, out)
                           : result<std::string>{std::move(out)};
}

std::string encode_receiving(codec as, std::string_view id) {
  if (as == codec::json)
    return R"({"receiving":{"id":")" + std::string{id} + R"("}})";
  std::string inner;
  append_text(inner, 1, id);
  std::string out;
  append_bytes(out, 1, inner);
  return out;
}

result<std::string> encode_message(codec as, result_format format, const mailbox::delivery& what) {
  bool natural =
      format == result_format::json || (format == result_format::unspecified && as == codec::json);
  std::string inner;
  append_number(inner, 1, what.sequence);
  append_text(inner, 2, what.what->sender);
  append_text(inner, 3, what.what->destination);
  if (natural) {
    std::string value;
    bridge::append_struct_value(value, what.what->value);
    append_bytes(inner, 5, value);
  } else {
    append_bytes(inner, 4, what.what->value);
  }
  append_bytes(inner, 6, encode_time(what.what->sent));
  append_number(inner, 7, what.lost_before);
  std::string out;
  append_bytes(out, 2, inner);
  return as == codec::json ? to_json(message::receive_response, out)
                           : result<std::string>{std::move(out)};
}

} // namespace vivarium::wire
