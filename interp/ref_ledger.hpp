// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace vivarium::interp {

/// Why an id leads to no object; each is an error with a code of its own.
enum class ref_miss { none, unknown, released, evicted, expired, other_session };

/// The books of the ref table: which object has which id, who owns it, when it was last used. Knows
/// nothing of Python: an object is an address, and what is no longer kept is handed back, so that
/// letting it go, which may run tenant code, finds the books in order. Ids carry a token of the
/// ledger and a number, so that a stale one gets an exact answer. All but `release_owner` cost
/// O(1).
class ref_ledger {
public:
  using object = void*;
  using clock = std::uint64_t (*)(); ///< Milliseconds, never going back.

  static constexpr std::size_t default_max_refs = 100'000;
  /// Of how many evicted and expired ids the reason is remembered; older ones count as released.
  static constexpr std::size_t reasons_kept = 10'000;

  struct finding {
    object found = nullptr;
    ref_miss why = ref_miss::none;
  };

  ref_ledger(std::uint64_t token, clock now) noexcept : token_{token}, now_{now} {}

  /// Enters an object, or another owner (0: the session, which outlives all others) of one that is
  /// there. `is_new` tells which.
  std::string keep(object kept, std::uint64_t owner, bool& is_new);
  /// Looks an id up, which counts as a use.
  finding find(std::string_view id);
  /// Strikes out one; null when it is not there.
  object release(std::string_view id);
  /// Strikes out what belongs to nobody but `owner`.
  std::vector<object> release_owner(std::uint64_t owner);
  /// Strikes out what is over the bounds: too many, the least recently used first, or unused too
  /// long. What it returns was there.
  std::vector<object> tidy();
  void configure(std::size_t max_refs, std::uint64_t ttl_ms) noexcept;
  [[nodiscard]] std::size_t size() const noexcept { return by_number_.size(); }

private:
  struct entry {
    object kept;
    std::uint64_t number;
    std::uint64_t last_use;
    std::vector<std::uint64_t> owners; // Empty: the session.
  };
  using place = std::list<entry>::iterator;

  [[nodiscard]] std::string id_of(std::uint64_t number) const;
  void use(place at);
  object strike(place at);
  object strike_because(place at, ref_miss why);
  [[nodiscard]] ref_miss why_missing(std::uint64_t number) const;
  [[nodiscard]] bool is_expired(const entry& one) const;

  std::uint64_t token_;
  clock now_;
  std::size_t max_refs_ = default_max_refs;
  std::uint64_t ttl_ms_ = 0;
  std::uint64_t next_number_ = 1;
  std::list<entry> by_use_; // Least recently used first.
  std::unordered_map<std::uint64_t, place> by_number_;
  std::unordered_map<object, place> by_object_;
  std::unordered_map<std::uint64_t, ref_miss> reasons_;
  std::deque<std::uint64_t> reasons_in_order_;
};

} // namespace vivarium::interp
