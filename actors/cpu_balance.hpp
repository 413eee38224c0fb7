// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace vivarium {

/// Decides which tenants use more of the processors than their part of what all use, by weight.
/// Those stand behind the others until they use less. The figures fade: what counts is about the
/// last half second. Plain arithmetic, told of time by whoever owns it. Not thread-safe.
class cpu_balance {
public:
  struct party {
    std::string name;
    double weight = 100;
    double used = 0;                                             ///< Processors, fading.
    std::chrono::microseconds charged{};                         ///< Since the last settling.
    std::uint64_t requests = 0;                                  ///< That were counted.
    std::chrono::microseconds quiet_for = std::chrono::hours{1}; ///< Since it used anything.
    bool behind = false;

    /// Whether there is somebody to make room for: who asks for little is, and who gets little.
    [[nodiscard]] bool present() const noexcept;
  };

  /// Whether a tenant that nobody competes with is put behind for the sake of whoever comes next.
  enum class when_alone : std::uint8_t { usual, behind };

  /// Who uses less is never behind.
  static constexpr double modest = 0.25;
  /// Whose use has faded to this is at rest.
  static constexpr double absent = 0.02;

  cpu_balance(unsigned processors, when_alone alone) noexcept
      : processors_{static_cast<double>(processors)}, alone_{alone} {}

  /// The tenant's figures, at an address that stays.
  party& of(const std::string& tenant);
  /// All whose figures anybody has asked for.
  [[nodiscard]] std::map<std::string, party>& parties() noexcept { return parties_; }

  /// Ends a window that took so long; returns those who are behind now and were not, or were and
  /// are not.
  std::vector<party*> settle(std::chrono::microseconds window);

  /// Whether anybody uses anything, or is behind.
  [[nodiscard]] bool at_rest() const noexcept;
  [[nodiscard]] bool anybody_behind() const noexcept { return behind_ > 0; }

private:
  [[nodiscard]] bool is_behind(const party& one, double part, double part_of_all,
                               bool alone) const noexcept;

  double processors_;
  when_alone alone_;
  std::size_t behind_ = 0;
  std::map<std::string, party> parties_;
};

} // namespace vivarium
