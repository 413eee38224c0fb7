// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/execution.hpp"
#include "daemon/byte_buffer.hpp"
#include "daemon/congestion.hpp"
#include "daemon/output_queue.hpp"
#include "daemon/transport.hpp"
#include "daemon/turns.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

namespace vivarium {

class connection;

/// What a conversation shall do because the daemon stops.
enum class stopping : std::uint8_t {
  soon, ///< End what is idle; tell the client.
  now,  ///< Say goodbye and close.
};

/// What is spoken on a connection. Called on the reactor thread. `on_input`, `on_drained`,
/// `on_sweep` and `on_stopping` may close the connection or make it speak something else.
class conversation {
public:
  virtual ~conversation() = default;
  /// Bytes have come; it consumes from the buffer what it can use.
  virtual void on_input(byte_buffer& in) = 0;
  /// Whether more input is wanted now; `resume_reading` when that changes to yes.
  [[nodiscard]] virtual bool wants_input() const noexcept = 0;
  /// How many bytes of input it is waiting for, as far as it knows.
  [[nodiscard]] virtual std::size_t expected_input() const noexcept = 0;
  /// How many bytes of a request that has not wholly arrived it holds beside the input.
  [[nodiscard]] virtual std::size_t held_input() const noexcept = 0;
  /// All connections together hold too much of such requests, and this one is among the causes.
  virtual void on_overload() = 0;
  /// The output has fallen below its watermark.
  virtual void on_drained() = 0;
  /// The peer or the daemon has ended the connection; nothing can be sent any more.
  virtual void on_closed() = 0;
  /// About once a second: check deadlines.
  virtual void on_sweep(clock_type::time_point now) = 0;
  virtual void on_stopping(stopping how) = 0;
  /// Keys have changed: check whether the client may still be here.
  virtual void on_recheck() = 0;
  /// It may go on with input that it had left because it was not its tenant's turn.
  virtual void on_turn() = 0;
};

/// Counts what goes through connections.
struct traffic {
  std::uint64_t received = 0;
  std::uint64_t sent = 0;
  std::size_t arriving = 0; ///< Bytes held of requests that have not wholly arrived.
  std::size_t unsent = 0;   ///< Bytes held of what clients have not taken yet.
};

/// Who keeps connections.
class connection_keeper {
public:
  virtual ~connection_keeper() = default;
  /// The connection is closed and may be forgotten, though not inside this call.
  virtual void on_gone(connection& which) = 0;
  /// Clients have left too much untaken: end the connection of whoever has taken nothing for the
  /// longest time.
  virtual void on_crowded() = 0;
};

/// One client connection: transport, input, output. It reads whenever the conversation wants input,
/// so that a client that leaves is noticed while it waits for an answer, and it writes what is
/// queued in as few system calls as possible.
class connection final : public transport_user,
                         public turn_taker,
                         public std::enable_shared_from_this<connection> {
public:
  struct bounds {
    std::chrono::milliseconds handshake{10'000};
    std::chrono::milliseconds write{30'000};
    std::size_t arriving_bytes = 512u << 20; ///< Of all connections together.
    std::size_t unsent_bytes = 512u << 20;   ///< The same.
  };

  connection(boost::asio::any_io_executor executor, std::unique_ptr<transport> stream,
             bounds limits, watermarks marks, traffic& counted, connection_keeper& keeper);
  ~connection() override;

  /// Starts reading; `first` is what is spoken.
  void start(std::shared_ptr<conversation> first);
  /// Makes the connection speak something else. The old conversation is told nothing.
  void speak(std::shared_ptr<conversation> next);

  /// Where output goes. Follow it by `flush`.
  output_queue& out() noexcept { return out_; }
  /// Writes now what the kernel takes.
  void flush();
  /// Writes soon: after what else is ready has been handled. Joins many answers into one write.
  void flush_soon();
  /// Whether so much output is unsent that no new work is begun for the client.
  [[nodiscard]] bool congested() const noexcept { return gauge_.at(out_.size()); }

  /// Since when a client that is owed much has taken nothing; `max()` when that is not so.
  [[nodiscard]] clock_type::time_point stalled_since() const noexcept;

  void resume_reading();
  /// Closes once the queued output is written and the peer has had a moment to read it: closing
  /// while it still sends would reset the connection and take our answer with it.
  void close_when_flushed();
  /// Closes now.
  void close();
  [[nodiscard]] bool closed() const noexcept { return closed_; }

  void sweep(clock_type::time_point now);
  void stop(stopping how);
  void recheck();
  [[nodiscard]] const boost::asio::any_io_executor& executor() const noexcept { return executor_; }
  /// Who is on the other side.
  [[nodiscard]] const peer& other_side() const noexcept { return stream_->other_side(); }

  void take_turn() override;
  void on_started(error_code why) override;
  void on_read(error_code why, std::size_t n) override;
  void on_written(error_code why, std::size_t n) override;

private:
  void read_more();
  void deliver();
  void sent(std::size_t n);
  void announce_drained();
  void note_arriving();
  void note_unsent();

  boost::asio::any_io_executor executor_;
  std::unique_ptr<transport> stream_;
  bounds limits_;
  traffic& counted_;
  connection_keeper& keeper_;
  std::shared_ptr<conversation> talk_;
  byte_buffer in_;
  output_queue out_;
  congestion gauge_;
  std::size_t read_size_;
  std::size_t arriving_ = 0; // this one's part of `counted_.arriving`
  std::size_t unsent_ = 0;   // and of `counted_.unsent`
  clock_type::time_point write_stalled_{};
  clock_type::time_point opened_ = clock_type::now();
  clock_type::time_point closing_since_{};
  bool started_ = false;
  bool reading_ = false;
  bool delivering_ = false;
  bool writing_ = false;
  bool flush_posted_ = false;
  bool closing_ = false;
  bool finished_ = false;
  bool closed_ = false;
};

} // namespace vivarium
