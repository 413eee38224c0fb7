// SPDX-License-Identifier: Apache-2.0

// What is asked of AppService.

#include "daemon/wire_app.hpp"

#include "bridge/app_messages.hpp"
#include "bridge/value_writer.hpp"
#include "daemon/wire_bytes.hpp"
#include "daemon/wire_fields.hpp"
#include "daemon/wire_limits.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace vivarium::wire {

namespace {

using protozero::pbf_reader;

constexpr std::size_t most_attribute = 256;
constexpr std::size_t most_method = 32;

// Fields of HTTP are bytes, which clients of the API write as text: one character each.
std::string to_latin1(std::string_view utf8, bool& fits) {
  std::string out;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    auto byte = static_cast<unsigned char>(utf8[i]);
    if (byte < 0x80) {
      out += utf8[i];
    } else if ((byte == 0xc2 || byte == 0xc3) && i + 1 < utf8.size()) {
      out += static_cast<char>((byte & 3) << 6 | (static_cast<unsigned char>(utf8[++i]) & 0x3f));
    } else {
      fits = false;
      return out;
    }
  }
  return out;
}

status read_app_limits(app_limits& into, std::string_view bytes) {
  return read_fields(bytes, [&into](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case number_field(1): into.concurrent = r.get_uint32(); return done{};
      case number_field(2): into.body_bytes = r.get_uint64(); return done{};
      case number_field(3): return take_ms(into.request_timeout, r, "limits.request_timeout_ms");
      case number_field(4): return take_ms(into.idle_timeout, r, "limits.idle_timeout_ms");
      default: return skip(r);
    }
  });
}

status take_kind(app_kind& into, pbf_reader& r) {
  auto number = r.get_enum();
  into = static_cast<app_kind>(number == 1 || number == 2 ? number : 0);
  return check_enum(number, 2, "kind");
}

status take_access(app_access& into, pbf_reader& r) {
  auto number = r.get_enum();
  into = number == 2 ? app_access::open : app_access::key;
  return check_enum(number, 2, "access");
}

status take_header(app_question& into, std::string_view bytes) {
  std::string name;
  std::string value;
  auto ok = read_fields(bytes, [&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(name, r, "headers.name");
      case text_field(2): return take_text(value, r, "headers.value");
      default: return skip(r);
    }
  });
  if (!ok)
    return ok;
  bool fits = true;
  value = to_latin1(value, fits);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (!fits || !bridge::is_header_name(name) || !bridge::is_header_value(value))
    return wrong("`headers`: a name is a token of HTTP, and a value is Latin-1 without control "
                 "characters");
  if (into.headers.size() == most_app_question_headers)
    return wrong("more than " + std::to_string(most_app_question_headers) + " `headers`");
  into.headers.emplace_back(std::move(name), std::move(value));
  return done{};
}

status take_path(app_question& into, pbf_reader& r) {
  std::string whole;
  if (auto ok = take_text(whole, r, "path"); !ok)
    return ok;
  if (whole.empty())
    whole = "/";
  bool plain =
      whole.front() == '/' && whole.size() <= most_app_path
      && std::all_of(whole.begin(), whole.end(), [](char c) { return c > 0x20 && c < 0x7f; });
  if (!plain)
    return wrong("`path` begins with '/' and is percent-encoded, as in a URL");
  auto mark = whole.find('?');
  into.query = mark == std::string::npos ? "" : whole.substr(mark + 1);
  whole.resize(std::min(mark, whole.size()));
  into.path = std::move(whole);
  return done{};
}

status read_question(app_question& into, std::string_view bytes) {
  return read_fields(bytes, [&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): {
        if (auto ok = take_text(into.method, r, "method"); !ok)
          return ok;
        std::transform(into.method.begin(), into.method.end(), into.method.begin(),
                       [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        if (into.method.empty())
          into.method = "GET";
        if (into.method.size() > most_method || !bridge::is_header_name(into.method))
          return wrong("`method` is a token of HTTP");
        return done{};
      }
      case text_field(2): return take_path(into, r);
      case text_field(3): return take_header(into, view_of(r));
      case text_field(4): into.body = view_of(r); return done{};
      default: return skip(r);
    }
  });
}

status check_boot(app_plan& what, bool has_session) {
  if (what.source.empty() == what.module.empty())
    return wrong("`source` or `module` is required");
  if (what.attribute.size() > most_attribute || what.module.size() > most_attribute)
    return wrong("`app` and `module` have at most " + std::to_string(most_attribute) + " bytes");
  const auto& wish = what.wish;
  if (!wish.name.empty() || wish.attach || wish.start_async || wish.owner != 0)
    return wrong("`new_session` leaves `name`, `attach`, `start_async` and `lifetime` empty");
  if (has_session && !what.session.empty())
    return wrong("`session` and `new_session` exclude each other");
  return done{};
}

} // namespace

result<app_plan> decode_boot_app(codec as, std::string_view bytes) {
  app_plan what;
  std::string session;
  bool has_session = false;
  auto ok = binary_form{message::boot_app_request, as, bytes}.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.name, r, "name");
      case text_field(2): what.module.clear(); return take_text(what.source, r, "source");
      case text_field(3): what.source.clear(); return take_text(what.module, r, "module");
      case text_field(4): return take_text(what.attribute, r, "app");
      case number_field(5): return take_kind(what.kind, r);
      case number_field(6): return take_access(what.access, r);
      case text_field(7): return take_text(what.host, r, "host");
      case number_field(8):
        if (auto workers = r.get_uint32(); workers > 0)
          what.workers = workers;
        return done{};
      case text_field(9): return read_app_limits(what.limits, view_of(r));
      case text_field(10): return take_text(what.session, r, "session");
      case text_field(11):
        has_session = true;
        session += view_of(r);
        return done{};
      case number_field(12): return take_ms(what.boot_timeout, r, "boot_timeout_ms");
      case text_field(13): return take_text(what.filename, r, "filename");
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  auto wish = read_create_session(session);
  if (!wish)
    return std::move(wish).why();
  what.wish = *std::move(wish);
  if (ok = check_boot(what, has_session); !ok)
    return std::move(ok).why();
  return what;
}

result<std::string> decode_app_name(message type, codec as, std::string_view bytes) {
  std::string name;
  auto ok = binary_form{type, as, bytes}.read([&](pbf_reader& r) {
    return field_of(r) == text_field(1) ? take_text(name, r, "app") : skip(r);
  });
  if (!ok)
    return std::move(ok).why();
  if (name.empty())
    return wrong("`app` is required");
  return name;
}

result<handle_request> decode_handle(message type, codec as, std::string_view bytes) {
  handle_request out;
  auto ok = binary_form{type, as, bytes}.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(out.app, r, "app");
      case text_field(2): return read_question(out.what, view_of(r));
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  if (out.app.empty())
    return wrong("`app` is required");
  return out;
}

result<submission> decode_invoke(codec as, std::string_view bytes) {
  submission what;
  app_question question;
  std::string attribute;
  auto kind = app_kind::unknown;
  limits_request limits;
  auto ok = binary_form{message::invoke_request, as, bytes}.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1): return take_text(what.source, r, "source");
      case text_field(2): return take_text(attribute, r, "app");
      case number_field(3): return take_kind(kind, r);
      case text_field(4): return read_question(question, view_of(r));
      case text_field(5): return take_text(what.environment, r, "environment");
      case number_field(6): return take_ms(what.timeout, r, "timeout_ms");
      case text_field(7): {
        auto read = read_limits(limits, view_of(r));
        what.limits = std::make_shared<limits_request>(limits);
        return read;
      }
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  if (what.source.empty())
    return wrong("`source` is required");
  bridge::app_request asked;
  asked.method = question.method;
  asked.raw_path = question.path;
  asked.query = question.query;
  asked.body = question.body;
  for (const auto& [name, value] : question.headers)
    asked.headers.emplace_back(name, value);
  std::string request;
  bridge::append_app_request(request, asked);
  const char* kinds[] = {"", "asgi", "wsgi"};
  std::array items{bridge::none_value(), bridge::text_value(attribute.empty() ? "app" : attribute),
                   bridge::text_value(kinds[static_cast<std::size_t>(kind)]), request};
  what.operands = bridge::list_value(items);
  what.filename = "app.py";
  what.mode = bridge::run_mode::invoke_app;
  what.form = bridge::value_form::typed;
  what.values = bridge::plain_values;
  return what;
}

} // namespace vivarium::wire
