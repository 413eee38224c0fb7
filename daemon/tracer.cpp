// SPDX-License-Identifier: Apache-2.0
#include "daemon/tracer.hpp"

#include "daemon/log.hpp"
#include "proto/ids.hpp"

#include <algorithm>
#include <cstring>

namespace vivarium {

namespace {

using std::chrono::duration_cast;
using std::chrono::nanoseconds;

constexpr std::uint32_t every_one = 1'000'000;

void append_id(std::string& out, std::string_view name, const std::uint8_t* bytes,
               std::size_t count) {
  out += '"';
  out += name;
  out += "\":\"";
  append_hex(out, bytes, count);
  out += "\",";
}

// 64-bit numbers are texts in protobuf's JSON.
void append_moment(std::string& out, std::string_view name,
                   std::chrono::steady_clock::time_point when, std::int64_t late) {
  out += '"';
  out += name;
  out += "\":\"";
  out += std::to_string(duration_cast<nanoseconds>(when.time_since_epoch()).count() + late);
  out += "\",";
}

void append_attribute(std::string& out, const audit_field& field) {
  out += out.back() == '[' ? R"({"key":")" : R"(,{"key":")";
  out += field.name;
  out += R"(","value":{)";
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    out += R"("stringValue":)";
    append_quoted(out, text->substr(0, tracer::max_text));
  } else {
    out += R"("intValue":")";
    out += std::to_string(std::get<std::int64_t>(field.value));
    out += '"';
  }
  out += "}}";
}

std::int64_t steady_to_wall() {
  auto wall = duration_cast<nanoseconds>(std::chrono::system_clock::now().time_since_epoch());
  auto steady = duration_cast<nanoseconds>(std::chrono::steady_clock::now().time_since_epoch());
  return (wall - steady).count();
}

} // namespace

std::string render_span(const trace_place& at, const span_facts& what, audit_fields with,
                        std::int64_t late) {
  std::string out;
  out.reserve(768);
  out += '{';
  append_id(out, "traceId", at.self.trace.data(), at.self.trace.size());
  append_id(out, "spanId", at.self.span.data(), at.self.span.size());
  if (at.parent != span_id{})
    append_id(out, "parentSpanId", at.parent.data(), at.parent.size());
  out += R"("name":)";
  append_quoted(out, what.name);
  out += R"(,"kind":)";
  out += std::to_string(static_cast<int>(what.kind));
  out += ',';
  append_moment(out, "startTimeUnixNano", what.from, late);
  append_moment(out, "endTimeUnixNano", std::max(what.from, what.to), late);
  out += R"("attributes":[)";
  for (const auto& field : with) {
    const auto* text = std::get_if<std::string_view>(&field.value);
    if (text == nullptr || !text->empty())
      append_attribute(out, field);
  }
  if (!what.trouble.empty())
    append_attribute(out, {"error.type", what.trouble});
  out += what.trouble.empty() ? R"(],"status":{}})" : R"(],"status":{"code":2}})";
  return out;
}

tracer::tracer(const tracing_settings& with)
    : on_{with.on()}, threshold_{~std::uint64_t{0} / every_one * with.sample_per_million},
      all_{with.sample_per_million >= every_one}, most_{with.queue}, batch_{std::min(with.batch,
                                                                                     with.queue)} {}

bool tracer::draws() const {
  if (all_ || threshold_ == 0)
    return all_;
  auto bytes = random_bytes();
  std::uint64_t drawn = 0;
  std::memcpy(&drawn, bytes.data(), sizeof drawn);
  return drawn < threshold_;
}

trace_place tracer::enter(const trace_context& from) {
  trace_place out;
  out.self = from;
  if (!on_ || (from.known() ? !from.sampled : !draws()))
    return out;
  if (!from.known())
    out.self.trace = new_trace_id();
  out.self.sampled = true;
  out.self.span = new_span_id();
  out.parent = from.span;
  out.recorded = true;
  return out;
}

void tracer::tell(const trace_place& at, const span_facts& what, audit_fields with) {
  if (!on_ || !at.recorded)
    return;
  ++recorded_;
  if (kept_.size() >= most_) {
    count_lost(loss::full, 1);
    return;
  }
  kept_.push_back(render_span(at, what, with, steady_to_wall()));
  if (kept_.size() == batch_ && on_enough_)
    on_enough_();
}

tracer::batch tracer::take() {
  batch out;
  for (; out.count < batch_ && !kept_.empty(); ++out.count) {
    if (out.count > 0)
      out.spans += ',';
    out.spans += kept_.front();
    kept_.pop_front();
  }
  return out;
}

} // namespace vivarium
