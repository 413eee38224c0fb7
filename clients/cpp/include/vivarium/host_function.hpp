// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/error.hpp>

#include <functional>
#include <memory>
#include <string>

namespace vivarium {
inline namespace client_v1 {

class host_call;
class value;
namespace detail {
struct function_state;
}

/// What answers a call of Python's; see host.hpp for what it may do. Runs on a thread of the
/// client's own for functions, and on several at once.
using host_handler = std::function<value(host_call&)>;

/// A function of the application as a value: Python gets a callable wherever it stands, and each
/// call of that comes back over the connection that the value was sent on. Copies are the same
/// function. Thread-safe.
class host_function {
public:
  /// None: cannot be sent.
  host_function() = default;
  /// A function without a name. It is known to each connection that it is sent on until that is
  /// closed; so make it once and send it often, rather than one for each request.
  explicit host_function(host_handler handler);
  /// A function that is served by its name; see `client::serve`. 1 to 200 bytes.
  [[nodiscard]] static host_function named(std::string name);

  /// Its name as Python sees it; made up for a function without one.
  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }
  friend bool operator==(const host_function& a, const host_function& b) noexcept {
    return a.name() == b.name();
  }

  /// Used by the library.
  [[nodiscard]] const std::shared_ptr<const detail::function_state>& state() const noexcept {
    return state_;
  }

private:
  std::shared_ptr<const detail::function_state> state_;
};

} // namespace client_v1
} // namespace vivarium
