// SPDX-License-Identifier: Apache-2.0
#include "daemon/log.hpp"

#include "bridge/natural.hpp"
#include "bridge/validate.hpp"

#include <spdlog/formatter.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>

namespace vivarium {

std::string_view name_of(log_level level) noexcept {
  switch (level) {
    case log_level::debug: return "debug";
    case log_level::info: return "info";
    case log_level::warn: return "warn";
    case log_level::error: return "error";
  }
  return "";
}

void append_quoted(std::string& out, std::string_view text) {
  std::string clean;
  bridge::append_utf8_lossy(clean, text);
  bridge::append_json_string(out, clean);
}

std::string timestamp(std::chrono::system_clock::time_point when) {
  using namespace std::chrono;
  auto whole = floor<seconds>(when);
  auto seconds_part = system_clock::to_time_t(time_point_cast<system_clock::duration>(whole));
  std::tm t{};
  gmtime_r(&seconds_part, &t);
  std::array<char, 64> text;
  auto n = std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ",
                         t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
                         static_cast<int>(duration_cast<microseconds>(when - whole).count()));
  return {text.data(), static_cast<std::size_t>(n)};
}

namespace {

void append_number(std::string& out, double value) {
  std::array<char, 32> text;
  auto n = std::snprintf(text.data(), text.size(), "%.6g", value);
  out.append(text.data(), static_cast<std::size_t>(n));
}

void append_value(std::string& out, const log::value& value, log_format format) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    out += std::to_string(*number);
  } else if (const auto* real = std::get_if<double>(&value)) {
    append_number(out, *real);
  } else {
    auto text = std::get<std::string_view>(value);
    bool plain = format == log_format::text && !text.empty()
                 && std::all_of(text.begin(), text.end(),
                                [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '='; });
    if (plain)
      out += text;
    else
      append_quoted(out, text);
  }
}

std::string_view name_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug: return "debug";
    case spdlog::level::info: return "info";
    case spdlog::level::warn: return "warn";
    default: return "error";
  }
}

spdlog::level::level_enum spdlog_level(log_level level) {
  switch (level) {
    case log_level::debug: return spdlog::level::debug;
    case log_level::info: return spdlog::level::info;
    case log_level::warn: return spdlog::level::warn;
    case log_level::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

/// Whether a line's payload is complete (ours) or plain text that is still to be escaped.
enum class payload { rendered, plain };

class line_formatter final : public spdlog::formatter {
public:
  line_formatter(log_format format, payload kind) : format_{format}, kind_{kind} {}

  void format(const spdlog::details::log_msg& msg, spdlog::memory_buf_t& dest) override {
    std::string_view text{msg.payload.data(), msg.payload.size()};
    std::string line;
    if (format_ == log_format::json) {
      line = R"({"ts":")" + timestamp(msg.time) + R"(","level":")";
      line += name_of(msg.level);
      line += R"(",)";
    } else {
      line = timestamp(msg.time) + ' ';
      line += name_of(msg.level);
      line += ' ';
    }
    line += kind_ == payload::rendered ? std::string{text} : render(format_, text, {});
    line += format_ == log_format::json ? "}\n" : "\n";
    dest.append(line.data(), line.data() + line.size());
  }

  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<line_formatter>(format_, kind_);
  }

private:
  log_format format_;
  payload kind_;
};

std::shared_ptr<spdlog::logger> make_logger(const char* name, log_format format, payload kind) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  sink->set_formatter(std::make_unique<line_formatter>(format, kind));
  auto logger = std::make_shared<spdlog::logger>(name, std::move(sink));
  logger->flush_on(spdlog::level::trace);
  return logger;
}

} // namespace

std::string render(log_format format, std::string_view message, log::fields with) {
  std::string out;
  if (format == log_format::json) {
    out = R"("msg":)";
    append_quoted(out, message);
  } else {
    append_quoted(out, message);
    out = out.substr(1, out.size() - 2); // escaped, but without the quotes
  }
  for (const auto& f : with) {
    if (const auto* text = std::get_if<std::string_view>(&f.value); text && text->empty())
      continue;
    if (format == log_format::json) {
      out += ",\"";
      out += f.name;
      out += "\":";
    } else {
      out += ' ';
      out += f.name;
      out += '=';
    }
    append_value(out, f.value, format);
  }
  return out;
}

log::log(log_level level, log_format format)
    : format_{format}, own_{make_logger("vivarium", format, payload::rendered)} {
  spdlog::set_default_logger(make_logger("", format, payload::plain));
  set_level(level);
}

log::~log() {
  own_->flush();
  spdlog::default_logger()->flush();
}

void log::set_level(log_level level) {
  level_ = level;
  own_->set_level(spdlog_level(level));
  spdlog::default_logger()->set_level(spdlog_level(level));
}

bool log::enabled(log_level level) const noexcept {
  return own_->should_log(spdlog_level(level));
}

void log::write(log_level level, std::string_view message, fields with) {
  if (!enabled(level))
    return;
  auto text = render(format_, message, with);
  own_->log(spdlog_level(level), spdlog::string_view_t{text.data(), text.size()});
}

} // namespace vivarium
