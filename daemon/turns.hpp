// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/any_io_executor.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>

namespace vivarium {

/// So many bytes of a request count as one request more.
inline constexpr std::size_t bytes_per_turn = 64u << 10;

/// Who can be made to wait for its turn.
class turn_taker {
public:
  virtual ~turn_taker() = default;
  /// Its turn has come; it may ask to enter again, and be told to wait again.
  virtual void take_turn() = 0;
};

/// Shares the reactor among tenants. In each pass, which is about one look at all sockets, every
/// tenant may begin a few requests, however many connections it has; what is over that waits for
/// the next pass. So a request of one tenant waits behind a few of another's and never behind its
/// flood. A tenant that is connected alone is not slowed. Reactor thread.
class turns {
public:
  using clock = std::chrono::steady_clock;
  /// Requests that a tenant may begin in a pass: while nobody else asks for anything, and while
  /// somebody does. Fewer in a pass are more looks at the sockets.
  static constexpr std::size_t undisturbed = 8;
  static constexpr std::size_t contested = 1;
  /// Somebody who asked so long ago, or before, does not count.
  static constexpr std::chrono::milliseconds memory{100};

  struct party {
    std::size_t seats = 0;
    std::size_t used = 0;           // in `pass`, and what earlier ones are still owed
    std::size_t most = undisturbed; // of `used`, as it was when it last asked
    std::uint64_t pass = 0;         // in which `used` was last looked at
    std::deque<std::weak_ptr<turn_taker>> waiting;
  };

  /// A connection's place at its tenant's side.
  class seat {
  public:
    seat() noexcept = default;
    seat(turns& of, party& at) noexcept : of_{&of}, at_{&at} { of.sit(at); }
    seat(seat&& other) noexcept
        : of_{std::exchange(other.of_, nullptr)}, at_{std::exchange(other.at_, nullptr)} {}
    seat& operator=(seat&& other) noexcept {
      rise();
      of_ = std::exchange(other.of_, nullptr);
      at_ = std::exchange(other.at_, nullptr);
      return *this;
    }
    ~seat() { rise(); }

    /// Whether a request may be begun now. If not, ask for a turn by `wait`.
    [[nodiscard]] bool enter(clock::time_point now = clock::now()) {
      return of_ == nullptr || of_->enter(*at_, now);
    }
    /// The request was a large one: as much as so many more.
    void charge(std::size_t more) noexcept {
      if (of_ != nullptr)
        at_->used += more;
    }
    void wait(std::weak_ptr<turn_taker> who) { of_->wait(*at_, std::move(who)); }

  private:
    void rise() noexcept {
      if (of_ != nullptr)
        of_->rise(*at_);
    }

    turns* of_ = nullptr;
    party* at_ = nullptr;
  };

  explicit turns(boost::asio::any_io_executor executor) : executor_{std::move(executor)} {}
  turns(const turns&) = delete;
  turns& operator=(const turns&) = delete;

  /// Names are those of tenants: there are not many.
  [[nodiscard]] seat sit_with(const std::string& tenant) { return {*this, parties_[tenant]}; }

  /// Ends a pass: whoever waits gets its turn. Called by itself; for tests.
  void next_pass();

private:
  friend class seat;
  void sit(party& at) noexcept { present_ += at.seats++ == 0 ? 1 : 0; }
  void rise(party& at) noexcept { present_ -= --at.seats == 0 ? 1 : 0; }
  bool enter(party& at, clock::time_point now);
  bool disturbed(const party& at, clock::time_point now) noexcept;
  void wait(party& at, std::weak_ptr<turn_taker> who);
  void settle(party& at) const noexcept;
  void post_pass();

  boost::asio::any_io_executor executor_;
  std::map<std::string, party> parties_;
  std::size_t present_ = 0; // parties with a seat
  std::uint64_t pass_ = 0;
  std::size_t first_ = 0;          // who is first in this pass
  const party* latest_ = nullptr;  // who asked last
  clock::time_point latest_at_{};  // and when
  clock::time_point another_at_{}; // when somebody else than they did
  bool posted_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace vivarium
