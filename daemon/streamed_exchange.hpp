// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/access.hpp"
#include "daemon/connection.hpp"
#include "daemon/endpoint.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

/// Requests whose body is taken in pieces as they come and whose answer is written in pieces:
/// files, hosted apps. All of it runs on the reactor thread.
namespace vivarium {

class http_session;

/// Who serves one such request. May be called from inside the methods of streamed_exchange that it
/// calls itself.
class streamed_handler {
public:
  virtual ~streamed_handler() = default;
  /// The next bytes of the body; none comes while the exchange is held.
  virtual void on_body(std::string bytes) = 0;
  /// The body has wholly arrived; told once, also when there is none.
  virtual void on_body_end() = 0;
  /// What was written has gone out so far that more is welcome again.
  virtual void on_room() {}
  /// It is over before its end: the client has gone, its body is broken or too slow, its key was
  /// revoked, the daemon stops. Nothing is told after it, and nothing can be sent.
  virtual void on_gone(const error& why) = 0;
};

/// One request and the way its answer takes. Kept by its handler as long as that likes: once it is
/// over, its methods do nothing.
class streamed_exchange {
public:
  explicit streamed_exchange(http_session& in) : session_{&in} {}

  /// Whether the answer has been given or nobody waits for it any more. What follows, up to
  /// `limits`, may be asked only while it is not.
  [[nodiscard]] bool over() const noexcept { return session_ == nullptr; }
  [[nodiscard]] const http_request& request() const noexcept;
  /// Whose key it came with; a stranger where the route allows them: no tenant.
  [[nodiscard]] const identity& who() const noexcept;
  [[nodiscard]] const std::string& request_id() const noexcept;
  /// Where the request stands in a trace.
  [[nodiscard]] const trace_place& trace() const noexcept;
  [[nodiscard]] const peer& other_side() const noexcept;
  [[nodiscard]] const network_limits& limits() const noexcept;

  /// Counts a stranger's connection as one of the tenant's, in its quota and its turns. Not needed
  /// where the request came with a key.
  [[nodiscard]] status sit_with(const std::string& tenant);

  /// Takes no more of the body until `resume`. The client notices when the kernel's buffers are
  /// full.
  void hold() noexcept;
  void resume();
  [[nodiscard]] bool held() const noexcept { return held_; }

  /// Sends the head of the answer. `lines` are complete header lines, each with its CRLF, checked
  /// by the caller. Without a length the body is sent in chunks. No body may follow where HTTP
  /// knows none (HEAD, 204, 205, 304): what is written then is dropped.
  void begin(int status, std::string_view lines, std::optional<std::uint64_t> length);
  [[nodiscard]] bool begun() const noexcept { return begun_; }
  /// Sends more of the body. More than the length that was promised ends the connection.
  void write(std::string bytes);
  /// The answer is complete. Less than the length that was promised ends the connection.
  void end();
  /// Answers with an error in the API's form; when the answer has begun, ends the connection, so
  /// that the client does not take a part for the whole. `status` 0 means the one of the error's
  /// code.
  void fail(const error& why, int status = 0);
  /// A whole answer: `begin`, `write`, `end`.
  void answer(int status, std::string_view lines, std::string body);
  /// Whether so much is unsent that no more should be made before `on_room`.
  [[nodiscard]] bool full() const noexcept;

  /// Makes the connection speak something else, after a 101 with these header lines. `make` gets
  /// the connection and the client's place on it. The exchange is over then, without `on_gone`.
  void hand_over(std::string_view lines,
                 const std::function<std::shared_ptr<conversation>(connection&, guest)>& make);

private:
  friend class http_session;

  http_session* session_;
  std::shared_ptr<streamed_handler> handler_;
  std::optional<std::uint64_t> left_; // of a promised length
  clock_type::time_point body_due_{}; // by when more of it has to have come
  clock_type::time_point held_since_{};
  bool body_done_ = false;
  bool held_ = false;
  bool begun_ = false;
  bool bodiless_ = false;
};

/// Who takes requests of some paths, or hosts, instead of the API.
class streamed_route {
public:
  virtual ~streamed_route() = default;
  /// The pattern of its paths, for traces.
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  /// Whether a request, of which the head has come, is this one's. Nothing of it has been checked.
  [[nodiscard]] virtual bool takes(const http_request& request) const = 0;
  /// Checks Host and Origin; by default as the API does.
  [[nodiscard]] virtual status check(const http_request& request, const access_rules& api) const {
    return api.check(request);
  }
  /// Whether a request without a key of ours is let in where keys are asked for.
  [[nodiscard]] virtual bool open_to_strangers(const http_request&) const { return false; }
  /// How long a body may be, in bytes, and which setting says so. `tenant`: of who asks; empty for
  /// a stranger.
  [[nodiscard]] virtual std::uint64_t most_body(const http_request& request,
                                                const std::string& tenant,
                                                const network_limits& limits) const = 0;
  [[nodiscard]] virtual std::string_view most_body_setting() const noexcept = 0;
  /// Begins to serve. Returns nothing when the exchange is over already.
  [[nodiscard]] virtual std::shared_ptr<streamed_handler>
  begin(std::shared_ptr<streamed_exchange> exchange) = 0;
};

} // namespace vivarium
