// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace spdlog {
class logger;
}

namespace vivarium {

enum class log_level : std::uint8_t { debug, info, warn, error };
[[nodiscard]] std::string_view name_of(log_level level) noexcept;
enum class log_format : std::uint8_t { json, text };

/// The daemon's log: one JSON object per line on stderr, with `ts`, `level`, `msg` and the fields
/// given. Values are escaped, so that nothing that came from outside can forge a line or a field.
/// What tenants' code says is never logged. Lines that the actors write through spdlog's default
/// logger get the same form while this object lives. Reactor thread.
class log {
public:
  using value = std::variant<std::string_view, std::int64_t, double>;
  struct field {
    std::string_view name;
    log::value value;
  };
  using fields = std::initializer_list<field>;

  log(log_level level, log_format format);
  log(const log&) = delete;
  log& operator=(const log&) = delete;
  ~log();

  void set_level(log_level level);
  [[nodiscard]] log_level level() const noexcept { return level_; }
  [[nodiscard]] bool enabled(log_level level) const noexcept;

  void debug(std::string_view message, fields with = {}) { write(log_level::debug, message, with); }
  void info(std::string_view message, fields with = {}) { write(log_level::info, message, with); }
  void warn(std::string_view message, fields with = {}) { write(log_level::warn, message, with); }
  void error(std::string_view message, fields with = {}) { write(log_level::error, message, with); }

private:
  void write(log_level level, std::string_view message, fields with);

  log_format format_;
  log_level level_ = log_level::info;
  std::shared_ptr<spdlog::logger> own_;
};

/// Renders the part of a line that follows time and level; for `log` and its tests.
[[nodiscard]] std::string render(log_format format, std::string_view message, log::fields with);

/// Appends text from outside as a JSON string, with quotes; what is not UTF-8 is replaced.
void append_quoted(std::string& out, std::string_view text);
/// Returns a point in time as lines show it, e.g. "2026-11-06T08:49:37.000001Z".
[[nodiscard]] std::string timestamp(std::chrono::system_clock::time_point when);

} // namespace vivarium
