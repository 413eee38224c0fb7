// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/log.hpp"
#include "daemon/tracer.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <functional>
#include <memory>

namespace vivarium {

/// Sends what a tracer keeps to its collector: OTLP over HTTP, in JSON, one batch at a time over
/// one connection. A collector that is slow, gone or wrong costs spans and nothing else: a batch is
/// tried a few times, ever later, and what comes meanwhile waits as far as the tracer has room. Of
/// that the log has one line when it begins and one when it is over. Reactor thread; tracer and
/// journal outlive it.
class span_exporter {
public:
  span_exporter(boost::asio::io_context& reactor, tracer& spans, const tracing_settings& with,
                log& journal);
  span_exporter(const span_exporter&) = delete;
  span_exporter& operator=(const span_exporter&) = delete;
  ~span_exporter();

  void start();
  /// Sends what is left, once, and calls `then`, at the latest after `within`.
  void finish(std::chrono::milliseconds within, std::function<void()> then);

private:
  class sender;
  std::shared_ptr<sender> sender_;
};

} // namespace vivarium
