// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/kinds.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vivarium {
inline namespace client_v1 {

class entered;
struct arguments;
enum class operation;
template <class T>
class request;
namespace detail {
struct ref_state;
}

/// Handle of an object that stays in its session. Copies share it; the last one that goes releases
/// the object, in the background and together with others. It may outlive its session and its
/// connection: destroying it is then nothing, using it throws. Pass it as an argument, or as a
/// variable, to hand the object itself to Python.
class ref {
public:
  /// Refers to nothing.
  ref() = default;

  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }
  /// Opaque id, good in its session only; empty when it refers to nothing, like the others.
  [[nodiscard]] const std::string& id() const noexcept;
  [[nodiscard]] const std::string& type_name() const noexcept;
  /// The beginning of its repr when it was handed out.
  [[nodiscard]] const std::string& short_repr() const noexcept;
  /// Its `len` when it was handed out.
  [[nodiscard]] std::optional<std::uint64_t> length() const noexcept;
  /// Gives the object up without releasing it: it lives until its session ends.
  void forget() noexcept;

  /// Calls a method; see `runner::call` for what the arguments may be.
  template <class... Args>
  value call(std::string_view method, Args&&... args) const;
  /// Calls the object itself.
  template <class... Args>
  value operator()(Args&&... args) const;

  [[nodiscard]] value attr(std::string_view name) const;
  void set_attr(std::string_view name, const value& to) const;
  void del_attr(std::string_view name) const;
  [[nodiscard]] value item(const value& key) const;
  void set_item(const value& key, const value& to) const;
  void del_item(const value& key) const;

  [[nodiscard]] std::string repr() const;
  [[nodiscard]] std::string str() const;
  [[nodiscard]] std::uint64_t len() const;
  /// An iterator, for `take`.
  [[nodiscard]] ref iter() const;
  /// The next items of an iterator, at most `count`; fewer when it is exhausted.
  [[nodiscard]] std::vector<value> take(std::uint64_t count) const;
  [[nodiscard]] bool contains(const value& what) const;
  [[nodiscard]] bool truth() const;
  [[nodiscard]] std::int64_t hash() const;
  [[nodiscard]] std::vector<std::string> dir() const;
  /// Enters it as a context manager.
  [[nodiscard]] entered enter() const;

  /// Any operation as a request, for completion tokens.
  [[nodiscard]] request<value> prepare(operation what, std::string_view name, arguments with) const;

  friend bool operator==(const ref& a, const ref& b) noexcept { return a.id() == b.id(); }

  /// Used by the library.
  explicit ref(std::shared_ptr<detail::ref_state> state) noexcept : state_{std::move(state)} {}

private:
  std::shared_ptr<detail::ref_state> state_;
};

} // namespace client_v1
} // namespace vivarium
