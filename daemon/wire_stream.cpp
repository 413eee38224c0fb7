// SPDX-License-Identifier: Apache-2.0
#include "bridge/natural.hpp"
#include "bridge/value_view.hpp"
#include "daemon/wire_fields.hpp"
#include "daemon/wire_run.hpp"
#include "daemon/wire_verdict.hpp"

#include <utility>

namespace vivarium::wire {

namespace {

using protozero::pbf_reader;

// Fields of Items and of StreamResponse, which agree: what a worker sent passes through.
constexpr std::uint32_t items_field = 1;
constexpr std::uint32_t json_items_field = 2;
constexpr std::uint32_t repr_items_field = 3;
constexpr std::uint32_t verdict_field = 4;
constexpr std::uint32_t id_field = 5;

// eval or call of a request; those that come twice are merged, which joining the bytes does.
struct what_to_run {
  std::string bytes;
  std::uint32_t field = 0;

  void take(pbf_reader& r) {
    if (field != r.tag())
      bytes.clear();
    field = r.tag();
    bytes += view_of(r);
  }
  [[nodiscard]] result<submission> read(const defaults* base) const {
    switch (field) {
      case 1: return read_eval(bytes, base);
      case 2: return read_call(bytes, base);
      default: return wrong("`eval` or `call` is required");
    }
  }
};

std::string items_as_struct(std::string_view items) {
  std::string out;
  std::string one;
  for (bridge::field_walk walk{items}; walk.next();) {
    one.clear();
    bridge::append_struct_value(one, walk.content());
    append_bytes(out, json_items_field, one);
  }
  return out;
}

// Natural JSON and reprs by hand; typed values are libprotobuf's business.
std::string items_by_hand(std::string_view items, bool natural, std::string_view id) {
  std::string out{"{"};
  if (!id.empty()) {
    out += R"("executionId":")";
    out += id;
    out += '"';
  }
  if (!items.empty()) {
    out += id.empty() ? "" : ",";
    out += natural ? R"("jsonItems":[)" : R"("reprItems":[)";
    bool first = true;
    for (bridge::field_walk walk{items}; walk.next();) {
      if (!std::exchange(first, false))
        out += ',';
      if (natural)
        bridge::append_json(out, walk.content());
      else
        bridge::append_json_string(out, walk.content());
    }
    out += ']';
  }
  out += '}';
  return out;
}

} // namespace

result<stream_request> decode_stream(codec as, std::string_view bytes, const defaults* base) {
  stream_request out;
  what_to_run run;
  std::chrono::milliseconds idle{0};
  binary_form form{message::stream_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    switch (field_of(r)) {
      case text_field(1):
      case text_field(2): run.take(r); return done{};
      case number_field(3): out.window = r.get_uint32(); return done{};
      case number_field(4): return take_ms(idle, r, "idle_timeout_ms");
      default: return skip(r);
    }
  });
  if (!ok)
    return std::move(ok).why();
  if (out.window > most_window)
    return wrong("`window` is over " + std::to_string(most_window));
  if (out.window == 0)
    out.window = default_window;
  auto what = run.read(base);
  if (!what)
    return std::move(what).why();
  if (what->form == bridge::value_form::none)
    return wrong("a stream without its items is nothing: `result_format` cannot be NONE");
  out.what = *std::move(what);
  out.what.idle_timeout = idle;
  return out;
}

result<std::vector<result<submission>>> decode_batch(codec as, std::string_view bytes,
                                                     const defaults* base) {
  std::vector<result<submission>> out;
  binary_form form{message::batch_request, as, bytes};
  auto ok = form.read([&](pbf_reader& r) -> status {
    if (field_of(r) != text_field(1))
      return skip(r);
    if (out.size() == most_batch_items)
      return wrong("a batch has at most " + std::to_string(most_batch_items) + " items");
    what_to_run run;
    auto fine = read_fields(view_of(r), [&run](pbf_reader& item) -> status {
      if (field_of(item) != text_field(1) && field_of(item) != text_field(2))
        return skip(item);
      run.take(item);
      return done{};
    });
    out.push_back(fine ? run.read(base) : result<submission>{fine.why()});
    return done{};
  });
  if (!ok)
    return std::move(ok).why();
  return out;
}

std::string_view take_items(std::string_view& items, std::uint64_t most) {
  bridge::field_walk walk{items};
  const char* stop = items.data();
  for (; most > 0 && walk.next(); --most)
    stop = walk.content().data() + walk.content().size();
  auto size = static_cast<std::size_t>(stop - items.data());
  auto out = items.substr(0, size);
  items.remove_prefix(size);
  return out;
}

result<std::string> encode_stream_items(codec as, result_format format, std::string_view items,
                                        std::string_view id) {
  if (as == codec::json && format != result_format::typed)
    return items_by_hand(items, format == result_format::json, id);
  std::string out;
  out.reserve(items.size() + id.size() + 8);
  if (format == result_format::json)
    out += items_as_struct(items);
  else
    out += items;
  append_text(out, id_field, id);
  if (as == codec::json)
    return to_json(message::stream_response, out);
  return out;
}

result<std::string> encode_stream_end(codec as, const execution& source, std::string_view id) {
  auto format = format_of(as, source);
  std::string out;
  if (as == codec::json) {
    out += R"({"verdict":)";
    if (id.empty() && append_verdict_json(out, source, format, fold::yes)) {
      out += '}';
      return out;
    }
    out.clear();
  }
  append_verdict(out, verdict_field, source, format, fold::yes);
  append_text(out, id_field, id);
  if (as == codec::json)
    return to_json(message::stream_response, out);
  return out;
}

static_assert(items_field == 1 && repr_items_field == 3, "Items passes through as StreamResponse");

} // namespace vivarium::wire
