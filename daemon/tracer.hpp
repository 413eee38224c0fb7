// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/audit.hpp"
#include "actors/tracing.hpp"
#include "daemon/tracing_settings.hpp"

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>

namespace vivarium {

/// Decides which requests are recorded, and keeps what is told of them until it is sent: each span
/// as JSON of OTLP, so many and no more. What comes when it is full is dropped and counted; nobody
/// waits. Reactor thread.
class tracer {
public:
  explicit tracer(const tracing_settings& with);
  tracer(const tracer&) = delete;
  tracer& operator=(const tracer&) = delete;

  /// The place of a request that came with that context, or with none. A client that says that it
  /// records is followed, whatever the daemon's own share is; one that says it does not, too.
  [[nodiscard]] trace_place enter(const trace_context& from);

  /// Keeps a span. Empty texts among the fields are left out, long ones are cut.
  void tell(const trace_place& at, const span_facts& what, audit_fields with);

  /// Spans that can be sent, separated by commas.
  struct batch {
    std::string spans;
    std::size_t count = 0;
  };
  [[nodiscard]] batch take();
  /// Called when there is enough for a batch.
  void on_enough(std::function<void()> fn) { on_enough_ = std::move(fn); }

  /// Why spans were dropped.
  enum class loss : std::uint8_t { full, unreachable, refused, stopped };
  static constexpr std::size_t loss_count = 4;
  void count_sent(std::size_t spans) noexcept { sent_ += spans; }
  void count_lost(loss why, std::size_t spans) noexcept {
    lost_[static_cast<std::size_t>(why)] += spans;
  }

  struct figures {
    std::uint64_t recorded = 0;
    std::uint64_t sent = 0;
    std::array<std::uint64_t, loss_count> lost{};
    std::size_t waiting = 0;
  };
  [[nodiscard]] figures count() const noexcept { return {recorded_, sent_, lost_, kept_.size()}; }

  static constexpr std::size_t max_text = 256;

private:
  [[nodiscard]] bool draws() const;

  bool on_;
  std::uint64_t threshold_; // Of 64 random bits, what is below it is recorded.
  bool all_;
  std::size_t most_;
  std::size_t batch_;
  std::deque<std::string> kept_;
  std::function<void()> on_enough_;
  std::uint64_t recorded_ = 0;
  std::uint64_t sent_ = 0;
  std::array<std::uint64_t, loss_count> lost_{};
};

/// Renders a span as OTLP's JSON; for `tracer` and its tests. `late`: what is to be added to a
/// moment of the steady clock to have nanoseconds since 1970.
[[nodiscard]] std::string render_span(const trace_place& at, const span_facts& what,
                                      audit_fields with, std::int64_t late);

} // namespace vivarium
