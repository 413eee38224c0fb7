// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "clients/cpp/src/link.hpp"

#include <vivarium/connection.hpp>
#include <vivarium/v1/connection.pb.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <unordered_set>

namespace vivarium {
inline namespace client_v1 {
namespace detail {

class core;
class host_core;

/// Counts a request as under way in its session. While one is, ids that are to be released are
/// held back: its answer may bring one of them again, because Python gives an object that it keeps
/// the same id each time.
class hold {
public:
  hold() = default;
  hold(std::shared_ptr<core> on, std::string session);
  hold(hold&& other) noexcept
      : core_{std::move(other.core_)}, session_{std::move(other.session_)} {}
  hold& operator=(hold&& other) noexcept;
  ~hold() { release(); }
  void release() noexcept;

private:
  std::shared_ptr<core> core_;
  std::string session_;
};

/// An answer.
struct reply {
  std::shared_ptr<core> from;
  v1::ServerFrame frame;
  hold held;
};

/// What a ref handle shares.
struct ref_state {
  std::weak_ptr<core> from;
  std::string session;
  std::string id;
  std::string type_name;
  std::string repr;
  std::optional<std::uint64_t> length;
  bool owned = true;

  ~ref_state();
};

/// The connection of a client: numbers requests, hands answers to who waits, and lets go of
/// objects. Any thread.
class core : public std::enable_shared_from_this<core> {
public:
  /// Gets a failure, or an answer of its own.
  using handler = std::function<void(std::exception_ptr, v1::ServerFrame*)>;

  /// Connects; calls back with a failure or null, and what was made of it: also what failed, for
  /// whoever asked to let go of where its thread can be waited for.
  static void connect(std::string_view url, const connect_options& how,
                      std::function<void(std::exception_ptr, std::shared_ptr<core>)> then);

  ~core();

  /// Numbers and sends a frame. `on_answer` runs on the link's thread, or here when the connection
  /// is gone; of a stream it runs for every frame until `end` or an error.
  std::uint64_t submit(v1::ClientFrame& frame, handler on_answer);
  /// Sends and waits.
  std::shared_ptr<reply> exchange(v1::ClientFrame& frame);
  void abandon(std::uint64_t id) noexcept;
  void more_credit(std::uint64_t id, std::uint32_t items);
  void close() noexcept;
  /// Sends a frame that has no answer; nothing when the connection is gone.
  void tell(const v1::ClientFrame& frame);
  [[nodiscard]] host_core& functions() noexcept { return *functions_; }
  /// Whether this is the connection's own thread.
  [[nodiscard]] bool is_reader() const noexcept {
    return reader_.load() == std::this_thread::get_id();
  }

  /// Returns the one handle state of that object.
  std::shared_ptr<ref_state> adopt(const std::string& session, const v1::Ref& what);
  void release(const ref_state& what) noexcept;

  [[nodiscard]] bool connected() const noexcept { return !broken_; }
  [[nodiscard]] bool draining() const noexcept { return draining_; }

private:
  friend class hold;
  struct entry {
    handler tell;
    bool streams = false;
  };
  struct session_refs {
    std::size_t under_way = 0;
    std::unordered_set<std::string> doomed;
  };

  explicit core(const connect_options& how);
  void on_message(std::string_view bytes);
  void on_closed(const std::string& why);
  void send(const v1::ClientFrame& frame);
  void flush_soon() noexcept;
  void flush(bool all) noexcept;

  std::shared_ptr<boost::asio::io_context> own_; // null when the caller's is used
  std::thread thread_;
  std::atomic<std::thread::id> reader_{};
  std::shared_ptr<link> link_;
  std::string request_id_; // Of the handshake; those of requests begin with it.
  std::atomic<bool> broken_ = false;
  std::atomic<bool> draining_ = false;
  std::unique_ptr<host_core> functions_;

  std::mutex mutex_; // guards the four below
  std::unordered_map<std::uint64_t, entry> entries_;
  std::uint64_t last_id_ = 0;
  std::string why_closed_;
  bool closing_ = false;

  std::mutex refs_mutex_; // guards the rest; never held together with the other
  std::unordered_map<std::string, std::weak_ptr<ref_state>> refs_;
  std::unordered_map<std::string, session_refs> sessions_;
  bool flushing_ = false;
};

/// A frame to fill, and the request that sends it.
[[nodiscard]] inline std::shared_ptr<v1::ClientFrame> new_frame() {
  return std::make_shared<v1::ClientFrame>();
}
/// A hold for the answer of `frame`, if that may bring refs.
[[nodiscard]] hold hold_for(const std::shared_ptr<core>& on, const v1::ClientFrame& frame);

/// Returns the core, or throws `connection_error` when there is none.
[[nodiscard]] std::shared_ptr<core> need(std::shared_ptr<core> on);

} // namespace detail
} // namespace client_v1
} // namespace vivarium
