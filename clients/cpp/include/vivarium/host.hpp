// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/session.hpp>

#include <concepts>
#include <initializer_list>

// Functions of the application that Python in its sessions calls.
//
//     auto serving = client.serve({{"auth.get_user", [&](host_call& call) -> value {
//       return users.at(call.arg<int>(0));
//     }}});
//     session.eval("import vivarium\nvivarium.host.auth.get_user(7)");
namespace vivarium {
inline namespace client_v1 {

namespace detail {
class host_core;
struct call_state;
class serving_state;
} // namespace detail

/// Throw it in a function to say exactly what Python gets: a `vivarium.HostCallError` with these.
/// Any other exception becomes one whose type is the exception's and whose message is its `what`.
class host_error : public error {
public:
  explicit host_error(std::string type, std::string message, std::string traceback = {},
                      value data = {});
  [[nodiscard]] const std::string& type() const noexcept { return type_; }
  [[nodiscard]] const std::string& message() const noexcept { return message_; }
  /// Of the application; shown with that of Python.
  [[nodiscard]] const std::string& traceback() const noexcept { return traceback_; }
  [[nodiscard]] const value& data() const noexcept { return data_; }

private:
  std::string type_;
  std::string message_;
  std::string traceback_;
  value data_;
};

/// The answer to a call that its function has not given by returning; see `host_call::defer`. Any
/// thread, at any time, once; when it is destroyed without, the call fails. It keeps nothing alive.
class host_answer {
public:
  host_answer() = default;
  host_answer(host_answer&&) noexcept = default;
  host_answer& operator=(host_answer&& other) noexcept;
  ~host_answer();

  /// Answers. What comes too late is nobody's: it is dropped. Throws `std::logic_error` when the
  /// answer has been given.
  void give(value what);
  /// The function failed; with `nullptr` it has no reason.
  void fail(std::exception_ptr why);
  /// Whether somebody still waits.
  [[nodiscard]] bool wanted() const noexcept;

  /// Used by the library.
  explicit host_answer(std::shared_ptr<detail::call_state> of) noexcept : state_{std::move(of)} {}

private:
  std::shared_ptr<detail::call_state> state_;
};

/// A call of Python's, for as long as its function runs. Of that thread alone.
class host_call {
public:
  /// Empty for a cast, whose result nobody hears of.
  [[nodiscard]] const std::string& id() const noexcept;
  [[nodiscard]] bool is_cast() const noexcept { return id().empty(); }
  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] const std::string& session_id() const noexcept;
  /// Empty for code that outlives its execution, as a thread may.
  [[nodiscard]] const std::string& execution_id() const noexcept;
  /// How long Python waits for the answer, from the call on; 0 for a cast.
  [[nodiscard]] std::chrono::milliseconds timeout() const noexcept;
  /// Id of the request whose code calls; empty for code of none.
  [[nodiscard]] const std::string& request_id() const noexcept;
  /// W3C Trace Context of the call, to go on with; empty where the request belongs to no trace.
  [[nodiscard]] const std::string& traceparent() const noexcept;
  /// Casts before this one that were dropped because too many waited.
  [[nodiscard]] std::uint64_t lost_before() const noexcept;

  [[nodiscard]] const std::vector<value>& args() const noexcept;
  [[nodiscard]] const std::vector<std::pair<std::string, value>>& kwargs() const noexcept;
  /// `{"args": [...], "kwargs": {...}}`, where `serve_options::format` asked for JSON; else empty.
  [[nodiscard]] const std::string& json() const noexcept;
  /// The positional argument at an index as T. Python gets a TypeError when there is none, or it is
  /// not of that type.
  template <class T>
  [[nodiscard]] T arg(std::size_t at) const {
    return convert<T>(need(at), "argument " + std::to_string(at + 1));
  }
  /// The keyword argument of that name, or `otherwise`.
  template <class T>
  [[nodiscard]] T kwarg(std::string_view name, T otherwise = {}) const {
    const auto* found = find(name);
    return found == nullptr ? std::move(otherwise)
                            : convert<T>(*found, "argument '" + std::string{name} + "'");
  }
  /// Null when there is none.
  [[nodiscard]] const value* find(std::string_view name) const noexcept;

  /// Whether somebody still waits for the answer: false once its time is over, its execution was
  /// stopped or the session has ended. A function that takes long looks now and then.
  [[nodiscard]] bool wanted() const noexcept;
  /// The session that called. What runs there by this handle is part of answering: it does not wait
  /// for the execution that waits for the answer, but runs inside of it; so do the refs among the
  /// arguments while they are used on this thread. Only until the call is answered.
  [[nodiscard]] class session session() const;
  /// Takes the answer away from the function: what it returns or throws then is ignored, and who
  /// holds this answers. Once.
  [[nodiscard]] host_answer defer();

  /// Used by the library.
  explicit host_call(std::shared_ptr<detail::call_state> of) noexcept : state_{std::move(of)} {}

private:
  [[nodiscard]] const value& need(std::size_t at) const;
  [[noreturn]] void refuse(const std::string& which, const std::string& why) const;
  template <class T>
  [[nodiscard]] T convert(const value& from, const std::string& which) const {
    try {
      return from.as<T>();
    } catch (const conversion_error& wrong) {
      refuse(which, wrong.what());
    }
  }

  std::shared_ptr<detail::call_state> state_;
};

/// Functions by name. "prefix.*" stands for all below "prefix" that have no function of their own,
/// "*" for all; which one is called `host_call::name` says.
using host_functions = std::vector<std::pair<std::string, host_handler>>;

/// How functions are offered.
struct serve_options {
  /// Id or name of the session whose calls are wanted; it need not exist yet. Empty: all.
  std::string session = {};
  /// Calls that may be under way, not answered; others wait in the daemon.
  std::uint32_t window = 1'024;
  /// Form of the arguments: typed, or json.
  result_format format = result_format::typed;
};

/// Functions that are offered, until this is destroyed. Functions run on threads of the client's
/// for that purpose (`connect_options::host_threads`), many at once, never on the connection's own:
/// they may block, evaluate, and call the client. Any thread, but moved by one.
class serving {
public:
  /// Nothing is offered.
  serving() = default;
  serving(serving&&) noexcept = default;
  serving& operator=(serving&& other) noexcept;
  /// As `stop`.
  ~serving();

  /// Offers them no more. Calls that have not been answered fail in Python at once; waits until
  /// none of these functions runs, unless one of them is who asks, or the connection's own thread.
  void stop() noexcept;
  /// False once it was stopped, or the connection broke.
  [[nodiscard]] bool active() const noexcept;
  /// Waits until it is not active.
  void wait() const;

  /// Used by the library.
  explicit serving(std::shared_ptr<detail::serving_state> of) noexcept : state_{std::move(of)} {}

private:
  std::shared_ptr<detail::serving_state> state_;
};

namespace detail {
/// A class of the application's that can be called with a call, as a lambda is.
template <class F>
concept answers_calls = std::is_class_v<F> && !is_alternative<F, value::storage>::value
                        && requires(F & function, host_call& call) {
  { function(call) } -> std::convertible_to<value>;
};
} // namespace detail

/// A callable for calls is a function without a name; see `host_function`.
template <detail::answers_calls F>
struct converter<F> {
  static value to(F from) { return host_function{host_handler{std::move(from)}}; }
};

} // namespace client_v1
} // namespace vivarium
