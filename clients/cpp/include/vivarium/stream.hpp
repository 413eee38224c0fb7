// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/request.hpp>
#include <vivarium/verdict.hpp>

#include <future>
#include <iterator>

namespace vivarium {
inline namespace client_v1 {

namespace detail {
template <class T>
class feed;
}

/// What comes one after the other, as an input range. The daemon goes on only as far as the window
/// allows, so a slow reader slows the code down instead of filling memory. Going away, as by
/// `break`, gives up what has not been read: a generator is closed. Not for two threads at once.
template <class T>
class basic_stream {
public:
  class iterator {
  public:
    using iterator_concept = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    iterator() = default;
    T& operator*() const noexcept { return from_->current_; }
    T* operator->() const noexcept { return &from_->current_; }
    iterator& operator++() {
      from_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const noexcept { return from_->over_; }

  private:
    friend basic_stream;
    explicit iterator(basic_stream& from) noexcept : from_{&from} {}
    basic_stream* from_ = nullptr;
  };

  basic_stream() = default;
  explicit basic_stream(std::shared_ptr<detail::feed<T>> feed) noexcept;
  basic_stream(basic_stream&&) noexcept = default;
  basic_stream& operator=(basic_stream&& other) noexcept;
  ~basic_stream();

  /// Waits for the next; absent at the end. Throws what ended the stream, once the items before it
  /// have been read.
  [[nodiscard]] std::optional<T> next();
  /// Waits for so many; fewer at the end. One can go on afterwards.
  [[nodiscard]] std::vector<T> take(std::size_t count);
  /// The same as `next` with a callback; see client_async.hpp for completion tokens.
  void next_then(callback<std::optional<T>> tell);
  /// Ends it early; `next` returns what is here already and then nothing. Never throws.
  void cancel() noexcept;
  /// How the execution ended, once it has and all has been read; else null.
  [[nodiscard]] std::shared_ptr<const verdict> end_verdict() const;

  /// Reads the first; the range can be walked once.
  [[nodiscard]] iterator begin() {
    advance();
    return iterator{*this};
  }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }

private:
  void advance() {
    auto got = next();
    over_ = !got;
    if (got)
      current_ = *std::move(got);
  }

  std::shared_ptr<detail::feed<T>> feed_;
  T current_{};
  bool over_ = true;
};

using stream = basic_stream<value>;

/// One event of an execution's log.
struct event {
  struct started {};
  struct output {
    std::string text;
  };
  struct error_output {
    std::string text;
  };
  struct items {
    std::vector<value> values;
  };
  /// A record of Python's logging, made by `vivarium.LoggingHandler`.
  struct log_record {
    log_level level = log_level::unset;
    std::string logger;
    std::string message;
    std::string file;
    std::uint32_t line = 0;
    std::string function;
    std::chrono::system_clock::time_point made; ///< By the session's clock.
    std::string thread;
    std::string traceback; ///< Of the exception that was logged; empty when there was none.
    std::vector<std::pair<value, value>> metadata;
  };
  /// How far it has come, told by `vivarium.progress`.
  struct progress {
    double done = 0;
    double total = 0; ///< In the same unit; 0 when it is not known.
    std::string text; ///< What is being done.
  };
  std::uint64_t sequence = 0;
  std::chrono::microseconds time{0}; ///< Since the execution was submitted.
  std::uint64_t lost_before = 0;     ///< Events that the bounded log no longer holds.
  /// monostate: of a kind that this library does not know. The verdict is the last one; it does not
  /// repeat the output.
  std::variant<std::monostate, started, output, error_output, display, items, verdict, log_record,
               progress>
      what;
};

using event_stream = basic_stream<event>;

/// A submitted execution. It runs on whatever becomes of this handle.
class execution {
public:
  execution() = default;
  execution(std::shared_ptr<detail::core> on, std::string id, std::string session,
            std::string request_id = {})
      : core_{std::move(on)}, id_{std::move(id)}, session_{std::move(session)},
        request_id_{std::move(request_id)} {}

  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  /// Id of the request that started it; empty for a handle that was made from an id.
  [[nodiscard]] const std::string& request_id() const noexcept { return request_id_; }
  /// Its events from a number on, live, up to its verdict.
  [[nodiscard]] event_stream follow(std::uint64_t from_sequence = 1,
                                    std::uint32_t window = 1'024) const;
  /// Waits, at most so long; absent when it has not ended. Never throws what the code raised: see
  /// `verdict::check`.
  [[nodiscard]] std::optional<verdict> wait(std::chrono::milliseconds at_most) const;
  /// Waits until it ends.
  [[nodiscard]] verdict wait() const;
  /// A future of how it ends, which other threads can wait for; broken when the connection is.
  [[nodiscard]] std::future<verdict> future() const;
  /// Interrupts it; false when it had ended.
  bool cancel() const;

  [[nodiscard]] request<std::optional<verdict>>
  prepare_wait(std::chrono::milliseconds at_most) const;
  [[nodiscard]] request<bool> prepare_cancel() const;

private:
  std::shared_ptr<detail::core> core_;
  std::string id_;
  std::string session_;
  std::string request_id_;
};

} // namespace client_v1
} // namespace vivarium
