// SPDX-License-Identifier: Apache-2.0
#include "bridge/validate.hpp"
#include "daemon/wire.hpp"
#include "daemon/wire_bytes.hpp"
#include "daemon/wire_eval_json.hpp"

#include <utility>

namespace vivarium::wire {

namespace {

using protozero::pbf_reader;

constexpr std::uint64_t most_ms = 1ull << 40; // 34 years; beyond it arithmetic could overflow

error wrong(std::string what) {
  return error{errc::invalid_argument, std::move(what)};
}

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

status read_eval_field(eval_fields& into, pbf_reader& reader) {
  auto& what = into.what;
  switch (field_of(reader)) {
    case text_field(1): return take_text(what.session, reader, "session");
    case text_field(2): return take_text(what.source, reader, "source");
    case text_field(3): return take_text(what.filename, reader, "filename");
    case number_field(4): what.first_line = reader.get_uint32(); return done{};
    case number_field(5): return take_ms(what.timeout, reader, "timeout_ms");
    case number_field(6): return take_ms(what.cpu_budget, reader, "cpu_ms");
    case number_field(7): into.format = reader.get_enum(); return done{};
    case number_field(8): what.create_session = reader.get_uint64() != 0; return done{};
    case text_field(9): return take_text(what.code, reader, "code");
    case number_field(10): into.queue = reader.get_enum(); return done{};
    case number_field(11): into.disconnect = reader.get_enum(); return done{};
    case text_field(12): return take_text(what.environment, reader, "environment");
    default: return skip(reader);
  }
}

result<submission> read_eval(std::string_view bytes) {
  eval_fields fields;
  fields.what.first_line = 0;
  auto ok = read_fields(bytes, [&](pbf_reader& r) { return read_eval_field(fields, r); });
  if (!ok)
    return std::move(ok).why();
  return check_eval(std::move(fields));
}

/// Brings a request into its binary form, in which there is one decoder for it.
class binary_form {
public:
  binary_form(message type, codec as, std::string_view bytes) : view_{bytes} {
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

  template <class Each>
  status read(Each each) {
    if (failed_.code != errc::none)
      return failed_;
    return read_fields(view_, std::move(each));
  }

private:
  std::string owned_;
  std::string_view view_;
  error failed_;
};

result<std::string> read_one_text(message type, codec as, std::string_view bytes,
                                  std::string_view field, bool required) {
  std::string text;
  auto ok = binary_form{type, as, bytes}.read([&](pbf_reader& r) {
    return field_of(r) == text_field(1) ? take_text(text, r, field) : skip(r);
  });
  if (!ok)
    return std::move(ok).why();
  if (required && text.empty())
    return wrong("`" + std::string{field} + "` is required");
  return text;
}

} // namespace

result<submission> check_eval(eval_fields fields) {
  auto& what = fields.what;
  if (fields.format < 0 || fields.format > 4)
    return wrong("`result_format` has no such value");
  if (fields.queue < 0 || fields.queue > 2)
    return wrong("`queue` has no such value");
  if (fields.disconnect < 0 || fields.disconnect > 3)
    return wrong("`on_disconnect` has no such value");
  if (!what.code.empty()
      && (!what.source.empty() || !what.filename.empty() || what.first_line != 0))
    return wrong("`code` stands for source, filename and first_line: leave those empty");
  if (what.create_session && what.session.empty())
    return wrong("`create_session` needs the name of a session");
  if (what.filename.size() > 4096)
    return wrong("`filename` is longer than 4096 bytes");
  if (what.first_line == 0)
    what.first_line = 1;
  auto format = static_cast<result_format>(fields.format);
  what.answer_format = static_cast<std::uint8_t>(format);
  what.form = format == result_format::repr   ? bridge::value_form::repr
              : format == result_format::none ? bridge::value_form::none
                                              : bridge::value_form::typed;
  what.fail_if_busy = fields.queue == 2;
  if (fields.disconnect != 0)
    what.disconnect = static_cast<on_disconnect>(fields.disconnect - 1);
  return std::move(fields.what);
}

result<submission> decode_eval(codec as, std::string_view bytes) {
  if (as == codec::proto || bytes.empty())
    return read_eval(bytes);
  if (auto fields = read_eval_json(bytes))
    return check_eval(*std::move(fields));
  auto binary = to_binary(message::eval_request, bytes);
  if (!binary)
    return std::move(binary).why();
  return read_eval(*binary);
}

result<submission> decode_start(codec as, std::string_view bytes) {
  std::string eval; // A message field that comes twice is merged, which joining the bytes does.
  auto ok = binary_form{message::start_request, as, bytes}.read([&](pbf_reader& r) -> status {
    if (field_of(r) != text_field(1))
      return skip(r);
    eval += view_of(r);
    return done{};
  });
  if (!ok)
    return std::move(ok).why();
  auto what = read_eval(eval);
  if (what && what->session.empty())
    return wrong("`eval.session` is required: an execution without one has nobody to wait for it");
  return what;
}

result<submission> decode_compile(codec as, std::string_view bytes) {
  submission what;
  what.first_line = 0;
  auto ok = binary_form{message::compile_request, as, bytes}.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.source, r, "source");
      case text_field(2): return take_text(what.filename, r, "filename");
      case number_field(3): what.first_line = r.get_uint32(); return done{};
      case text_field(4): return take_text(what.environment, r, "environment");
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  if (what.first_line == 0)
    what.first_line = 1;
  what.mode = bridge::run_mode::compile;
  what.form = bridge::value_form::none;
  return what;
}

result<follow_request> decode_follow(codec as, std::string_view bytes) {
  follow_request what;
  auto ok = binary_form{message::follow_request, as, bytes}.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.execution, r, "execution_id");
      case number_field(2): what.from = r.get_uint64(); return done{};
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  if (what.execution.empty())
    return wrong("`execution_id` is required");
  if (what.from == 0)
    what.from = 1;
  return what;
}

result<wait_request> decode_wait(codec as, std::string_view bytes) {
  wait_request what;
  auto ok = binary_form{message::wait_request, as, bytes}.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.execution, r, "execution_id");
      case number_field(2): return take_ms(what.timeout, r, "timeout_ms");
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  if (what.execution.empty())
    return wrong("`execution_id` is required");
  return what;
}

result<std::string> decode_cancel(codec as, std::string_view bytes) {
  return read_one_text(message::cancel_request, as, bytes, "execution_id", true);
}

result<std::string> decode_list(codec as, std::string_view bytes) {
  return read_one_text(message::list_request, as, bytes, "session", false);
}

result<std::string> decode_session(message type, codec as, std::string_view bytes) {
  return read_one_text(type, as, bytes, "session", true);
}

result<session_request> decode_create_session(codec as, std::string_view bytes) {
  session_request what;
  auto form = binary_form{message::create_session_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.name, r, "name");
      case text_field(2): return take_text(what.environment, r, "environment");
      case number_field(3): return take_ms(what.idle_timeout, r, "idle_timeout_ms");
      case number_field(4): what.attach = r.get_uint64() != 0; return done{};
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  return what;
}

status decode_empty(message type, codec as, std::string_view bytes) {
  return binary_form{type, as, bytes}.read(skip);
}

} // namespace vivarium::wire
