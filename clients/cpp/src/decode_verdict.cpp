// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/wire.hpp"

#include <google/protobuf/timestamp.pb.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>

namespace vivarium {
inline namespace client_v1 {
namespace detail {

namespace {

using std::chrono::microseconds;

// Beyond it, in the year 2262, the clock cannot say it.
constexpr auto last_us = static_cast<std::uint64_t>(
    std::chrono::floor<microseconds>(std::chrono::system_clock::duration::max()).count());

std::shared_ptr<const exception_info> decode_exception(const v1::ExecutionError& from,
                                                       const origin& at);

template <class Message>
void put_details(const Message& from, exception_info& to) {
  if (from.has_shape_mismatch()) {
    const auto& what = from.shape_mismatch();
    to.details = shape_mismatch{what.operation(),
                                {what.first().begin(), what.first().end()},
                                {what.second().begin(), what.second().end()},
                                what.suggestion()};
  } else if (from.has_out_of_memory()) {
    const auto& what = from.out_of_memory();
    to.details = out_of_memory{what.device(), what.requested_bytes(), what.available_bytes(),
                               what.total_bytes()};
  } else if (from.has_dtype_mismatch()) {
    const auto& what = from.dtype_mismatch();
    to.details = dtype_mismatch{what.expected(), what.actual(), what.suggestion()};
  }
}

exception_info info_of(const v1::ExecutionError& from, const origin& at) {
  exception_info out;
  out.kind = static_cast<error_kind>(from.kind());
  out.type = from.type();
  out.module = from.module();
  out.bases.assign(from.bases().begin(), from.bases().end());
  out.message = from.message();
  for (const auto& each : from.frames())
    out.frames.push_back({each.file(), each.line(), each.function(), each.source()});
  out.traceback = from.traceback();
  if (from.has_cause())
    out.cause = decode_exception(from.cause(), at);
  if (from.has_context())
    out.context = decode_exception(from.context(), at);
  for (const auto& each : from.group())
    out.group.push_back(info_of(each, at));
  if (from.has_syntax()) {
    const auto& where = from.syntax();
    out.syntax = syntax_position{where.file(),     where.line(),       where.column(),
                                 where.end_line(), where.end_column(), where.text()};
  }
  out.code = from.code();
  for (auto each : from.args())
    out.args.push_back(decode(each, at));
  put_details(from, out);
  return out;
}

std::shared_ptr<const exception_info> decode_exception(const v1::ExecutionError& from,
                                                       const origin& at) {
  return std::make_shared<const exception_info>(info_of(from, at));
}

display decode_display(v1::Display& from) {
  display out;
  for (auto& each : *from.mutable_parts())
    out.parts.push_back(
        {each.type(), std::move(*each.mutable_text()), bytes{std::move(*each.mutable_data())}});
  return out;
}

void put_result(v1::Result& from, const origin& at, verdict& to) {
  if (from.has_value()) {
    to.result = decode(*from.mutable_value(), at);
    to.format = result_format::typed;
  } else if (from.has_json()) {
    std::string text;
    if (!google::protobuf::util::MessageToJsonString(from.json(), &text).ok())
      throw connection_error{"the daemon sent a result that is no JSON"};
    to.result = std::move(text);
    to.format = result_format::json;
  } else if (!from.repr().empty()) {
    to.result = std::move(*from.mutable_repr());
    to.format = result_format::repr;
  }
}

event::log_record decode_log(v1::LogRecord& from, const origin& at) {
  event::log_record out;
  out.level = static_cast<log_level>(from.level());
  out.logger = std::move(*from.mutable_logger());
  out.message = std::move(*from.mutable_message());
  out.file = std::move(*from.mutable_file());
  out.line = from.line();
  out.function = std::move(*from.mutable_function());
  out.made = std::chrono::system_clock::time_point{
      microseconds{static_cast<std::int64_t>(std::min(from.time_us(), last_us))}};
  out.thread = std::move(*from.mutable_thread());
  out.traceback = std::move(*from.mutable_traceback());
  for (auto& each : *from.mutable_metadata())
    out.metadata.emplace_back(decode(*each.mutable_key(), at), decode(*each.mutable_value(), at));
  return out;
}

} // namespace

std::shared_ptr<const exception_info> decode(const v1::ExecutionError& from, const origin& at) {
  return decode_exception(from, at);
}

stop_cause decode(const v1::Cause& from) {
  return {from.cause(), from.limit(), from.configured(), from.observed(),
          static_cast<stop_cause::enforcer>(from.enforced_by())};
}

usage decode(const v1::Usage& from) {
  auto us = [](std::uint64_t n) { return microseconds{static_cast<std::int64_t>(n)}; };
  return {us(from.wall_us()), us(from.cpu_us()), us(from.queued_us()), from.peak_memory_bytes(),
          from.output_bytes()};
}

verdict decode(v1::Verdict& from, const origin& at) {
  verdict out;
  if (from.has_error())
    out.exception = decode_exception(from.error(), at);
  else if (from.has_result())
    put_result(*from.mutable_result(), at, out);
  out.output = std::move(*from.mutable_stdout());
  out.error_output = std::move(*from.mutable_stderr());
  for (auto& each : *from.mutable_displays())
    out.displays.push_back(decode_display(each));
  out.displays_dropped = from.displays_dropped();
  if (from.has_files()) {
    const auto& files = from.files();
    out.files = file_changes{{files.added().begin(), files.added().end()},
                             {files.modified().begin(), files.modified().end()},
                             {files.deleted().begin(), files.deleted().end()},
                             files.truncated(),
                             static_cast<files_outcome>(files.outcome()),
                             files.problem()};
  }
  out.usage = decode(from.usage());
  out.session = static_cast<session_outcome>(from.session());
  if (from.has_cause() && !from.cause().cause().empty())
    out.cause = decode(from.cause());
  out.output_truncated = from.output_truncated();
  out.session_id = at.session;
  return out;
}

event decode(v1::Event& from, const origin& at) {
  event out;
  out.sequence = from.sequence();
  out.time = microseconds{static_cast<std::int64_t>(from.time_us())};
  out.lost_before = from.lost_before();
  using v1::Event;
  switch (from.kind_case()) {
    case Event::kStarted: out.what = event::started{}; break;
    case Event::kStdout: out.what = event::output{std::move(*from.mutable_stdout())}; break;
    case Event::kStderr: out.what = event::error_output{std::move(*from.mutable_stderr())}; break;
    case Event::kDisplay: out.what = decode_display(*from.mutable_display()); break;
    case Event::kVerdict: out.what = decode(*from.mutable_verdict(), at); break;
    case Event::kItems: {
      event::items items;
      for (auto& each : *from.mutable_items()->mutable_items())
        items.values.push_back(decode(each, at));
      for (auto& each : *from.mutable_items()->mutable_repr_items())
        items.values.emplace_back(std::move(each));
      out.what = std::move(items);
      break;
    }
    case Event::kLog: out.what = decode_log(*from.mutable_log(), at); break;
    case Event::kProgress:
      out.what = event::progress{from.progress().done(), from.progress().total(),
                                 std::move(*from.mutable_progress()->mutable_text())};
      break;
    case Event::KIND_NOT_SET: break;
  }
  return out;
}

namespace {

/// What the clock cannot say (it ends in the year 2262) is the last or first that it can.
std::chrono::system_clock::time_point time_of(const google::protobuf::Timestamp& from) {
  using std::chrono::system_clock;
  constexpr auto end =
      std::chrono::floor<std::chrono::seconds>(system_clock::duration::max()).count() - 1;
  const auto seconds = std::clamp<std::int64_t>(from.seconds(), -end, end);
  const auto nanos = std::clamp(from.nanos(), 0, 999'999'999);
  return system_clock::time_point{std::chrono::seconds{seconds} + std::chrono::nanoseconds{nanos}};
}

} // namespace

session_info decode(const v1::Session& from) {
  session_info out;
  out.id = from.id();
  out.name = from.name();
  out.environment = from.environment();
  out.state = static_cast<session_state>(from.state());
  out.created = time_of(from.create_time());
  out.executions = from.executions();
  out.python_version = from.python_version();
  if (from.has_cause())
    out.cause = decode(from.cause());
  out.tags.assign(from.tags().begin(), from.tags().end());
  out.usage = decode(from.usage());
  out.namespaces = from.namespaces();
  out.init_error = from.init_error();
  out.worker_pid = from.worker_pid();
  out.limits = decode(from.limits());
  out.egress = from.egress();
  out.processes = static_cast<process_mode>(from.processes());
  return out;
}

namespace_info decode(const v1::Namespace& from) {
  return {from.id(), from.name(), time_of(from.create_time())};
}

} // namespace detail
} // namespace client_v1
} // namespace vivarium
