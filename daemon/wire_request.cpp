// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire_fields.hpp"
#include "daemon/wire_run.hpp"

#include <utility>

namespace vivarium::wire {

namespace {

using protozero::pbf_reader;

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

result<submission> decode_start(codec as, std::string_view bytes, const defaults* base) {
  bool detached = false;
  std::string eval; // A message field that comes twice is merged, which joining the bytes does.
  binary_form form{message::start_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): eval += view_of(r); return done{};
      case number_field(2): detached = r.get_uint64() != 0; return done{};
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  auto what = read_eval(eval, base);
  if (what)
    what->detached = detached;
  if (what && what->session.empty() && what->pool.empty())
    return wrong(
        "`eval.session` or `eval.pool` is required: an execution without one has nobody to "
        "wait for it");
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

status decode_empty(message type, codec as, std::string_view bytes) {
  return binary_form{type, as, bytes}.read(skip);
}

} // namespace vivarium::wire
