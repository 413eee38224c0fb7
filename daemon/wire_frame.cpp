// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_frame.hpp"

#include "bridge/natural.hpp"
#include "daemon/json_scanner.hpp"
#include "daemon/rpc.hpp"
#include "daemon/wire_bytes.hpp"
#include "daemon/wire_eval_json.hpp"

#include <array>
#include <charconv>
#include <limits>

namespace vivarium::wire {

namespace {

status open_binary(client_frame& into, std::string_view bytes) {
  return read_fields(bytes, [&](protozero::pbf_reader& r) -> status {
    switch (field_of(r)) {
      case number_field(1): into.id = r.get_uint64(); return done{};
      case number_field(more_credit_field):
        into.field = more_credit_field;
        into.more_credit = r.get_uint32();
        return done{};
      case number_field(credit_field): into.credit = r.get_uint32(); return done{};
      case text_field(traceparent_field): into.traceparent = view_of(r); return done{};
      case text_field(request_id_field): into.request_id = view_of(r); return done{};
      default: break;
    }
    auto number = r.tag();
    if (r.wire_type() != protozero::pbf_wire_type::length_delimited || number < 2
        || number > last_body_field || number == more_credit_field || number == credit_field) {
      r.skip();
      return done{};
    }
    into.field = number;
    into.body = view_of(r);
    return done{};
  });
}

std::uint64_t id_in_json(std::string_view beginning) {
  scanner json{beginning};
  std::uint64_t id = 0;
  std::string_view passed;
  if (!json.take('{'))
    return 0;
  do {
    if (!json.simple(passed) || !json.take(':'))
      return 0;
    if (passed == "id") {
      bool whole = json.number(id, std::numeric_limits<std::uint64_t>::max())
                   && (beginning.back() < '0' || beginning.back() > '9' || !json.at_end());
      return whole ? id : 0; // At the very end a number may be cut short.
    }
  } while (json.extent(passed) && json.take(','));
  return 0;
}

std::uint32_t field_named(std::string_view name) noexcept {
  if (name.empty())
    return 0;
  if (name == "abandon")
    return abandon_field;
  if (name == "setDefaults" || name == "set_defaults")
    return set_defaults_field;
  const auto* method = rpc::find_by_frame_name(name);
  return method != nullptr ? method->request_field : 0;
}

} // namespace

status open_frame(client_frame& into, codec as, std::string_view bytes) {
  if (as == codec::proto)
    return open_binary(into, bytes);
  if (auto plain = read_client_frame_json(bytes)) {
    if (auto field = field_named(plain->field); field != 0) {
      into.id = plain->id;
      into.credit = plain->credit;
      into.traceparent = plain->traceparent;
      into.request_id = plain->request_id;
      into.field = field;
      into.body = plain->body;
      into.body_codec = codec::json;
      return done{};
    }
  }
  auto binary = to_binary(message::client_frame, bytes);
  if (!binary)
    return std::move(binary).why();
  into.owned = *std::move(binary);
  return open_binary(into, into.owned);
}

std::uint64_t id_at_front(codec as, std::string_view beginning) {
  if (as == codec::json)
    return id_in_json(beginning);
  std::uint64_t id = 0;
  // Ends where the beginning does, inside a field: what was read up to there counts.
  static_cast<void>(read_fields(beginning, [&id](protozero::pbf_reader& r) -> status {
    if (id == 0 && field_of(r) == number_field(1))
      id = r.get_uint64();
    else
      r.skip();
    return done{};
  }));
  return id;
}

void append_frame_head(std::string& out, codec as, std::uint64_t id, std::uint32_t field,
                       std::string_view name, std::size_t body_size, std::string_view request_id) {
  if (as == codec::proto) {
    append_number(out, 1, id);
    append_text(out, request_id_field, request_id);
    append_head(out, field, body_size);
    return;
  }
  out += '{';
  if (id != 0) {
    std::array<char, 20> digits;
    auto stop = std::to_chars(digits.data(), digits.data() + digits.size(), id).ptr;
    out += R"("id":")";
    out.append(digits.data(), stop);
    out += R"(",)";
  }
  if (!request_id.empty()) { // Nothing in it is to be escaped.
    out += R"("requestId":")";
    out += request_id;
    out += R"(",)";
  }
  out += '"';
  out += name;
  out += "\":";
}

std::string_view frame_tail(codec as) noexcept {
  return as == codec::json ? "}" : "";
}

std::string encode_failure(codec as, const error& why, std::string_view request_id) {
  auto face = face_of(why.code);
  std::string out;
  if (as == codec::proto) {
    append_text(out, 1, face.code);
    append_text(out, 2, public_message(why));
    append_bytes(out, 3, encode_detail(why, request_id));
    append_text(out, 4, why.of_code);
    return out;
  }
  out += R"({"code":")";
  out += face.code;
  out += R"(","message":)";
  bridge::append_json_string(out, public_message(why));
  out += R"(,"detail":)";
  append_detail_json(out, why, request_id);
  if (!why.of_code.empty()) {
    if (auto readable = to_json(message::execution_error, why.of_code)) {
      out += R"(,"error":)";
      out += *readable;
    }
  }
  out += '}';
  return out;
}

} // namespace vivarium::wire
