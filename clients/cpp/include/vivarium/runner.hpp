// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/options.hpp>
#include <vivarium/stream.hpp>

namespace vivarium {
inline namespace client_v1 {

/// A variable of the place a call is made in, as its target.
struct variable {
  std::string name;
};
/// A module as target, imported if need be.
struct module_name {
  std::string name;
};
/// What a call is made on.
using call_target = std::variant<module_name, variable, ref, value>;

/// One thing to run: source or a call.
struct task {
  struct source {
    std::string text;
    class variables variables = {};
    run_options options = {};
  };
  struct call {
    call_target target;
    std::string name; ///< Dotted; may be empty.
    operation what = operation::call;
    arguments with = {};
  };
  std::variant<source, call> what;
};

/// What became of one thing of a batch.
struct batch_result {
  struct verdict verdict;       ///< When it ran, well or not.
  std::exception_ptr rejection; ///< Why it could not be run at all; else null.

  /// Returns the result, or throws what prevented it.
  [[nodiscard]] value get() const;
};

class module_handle;

/// Where code runs: a session, a namespace of one, or, on the client itself, a session of its own
/// for each call. Thread-safe like the client.
class runner {
public:
  /// Runs source and returns its value; throws `execution_error` when it fails. With another format
  /// than typed the value is a str.
  value eval(std::string_view source, const variables& with = {},
             const run_options& how = {}) const {
    return prepare_eval(source, with, how).get();
  }
  value eval(std::string_view source, const run_options& how) const {
    return eval(source, {}, how);
  }
  template <class T>
  [[nodiscard]] T eval_as(std::string_view source, const variables& with = {},
                          const run_options& how = {}) const {
    return eval(source, with, how).template as<T>();
  }

  /// Runs source and returns how it ended, with its output; does not throw what the code raised.
  verdict run(std::string_view source, const variables& with = {},
              const run_options& how = {}) const {
    return prepare_run(source, with, how).get();
  }
  verdict run(std::string_view source, const run_options& how) const {
    return run(source, {}, how);
  }

  /// Calls a function of a module: `call("math", "sqrt", 16)`. Arguments are values; a `kwargs`
  /// among them is keyword arguments, a `run_options` says how it runs.
  template <class... Args>
  value call(std::string_view module, std::string_view name, Args&&... args) const {
    return prepare_call(module_name{std::string{module}}, name, operation::call,
                        arguments::of(std::forward<Args>(args)...))
        .get();
  }
  /// Does something to a target: a variable, a module's attribute, an object, a value.
  template <class... Args>
  value apply(operation what, call_target target, std::string_view name, Args&&... args) const {
    return prepare_call(std::move(target), name, what, arguments::of(std::forward<Args>(args)...))
        .get();
  }
  /// `module("json").attr("dumps")(...)`, `module("math").get("pi")`.
  [[nodiscard]] module_handle module(std::string name) const;

  /// Iterates over the value of source; see `basic_stream`.
  [[nodiscard]] basic_stream<value> stream(task what, const stream_options& how = {}) const;
  [[nodiscard]] basic_stream<value> stream(std::string_view source, const variables& with = {},
                                           const stream_options& how = {}) const;

  /// Runs many; one that fails does not stop others.
  [[nodiscard]] std::vector<batch_result> batch(std::vector<task> tasks) const {
    return prepare_batch(std::move(tasks)).get();
  }

  /// Submits source: a job. A client itself has no session to submit to.
  [[nodiscard]] execution start(std::string_view source, const variables& with = {},
                                const run_options& how = {}) const {
    return prepare_start(source, with, how).get();
  }

  /// What is run by this handle from here on is part of answering that call of its session's;
  /// empty: of none.
  void set_within(std::string call_id) { within_ = std::move(call_id); }

  [[nodiscard]] request<value> prepare_eval(std::string_view source, const variables& with = {},
                                            const run_options& how = {}) const;
  [[nodiscard]] request<verdict> prepare_run(std::string_view source, const variables& with = {},
                                             const run_options& how = {}) const;
  [[nodiscard]] request<execution> prepare_start(std::string_view source,
                                                 const variables& with = {},
                                                 const run_options& how = {}) const;
  [[nodiscard]] request<value> prepare_call(call_target target, std::string_view name,
                                            operation what, arguments with) const;
  /// The same with its output; does not throw what the code raised.
  [[nodiscard]] request<verdict> prepare_run_call(call_target target, std::string_view name,
                                                  operation what, arguments with) const;
  [[nodiscard]] request<std::vector<batch_result>> prepare_batch(std::vector<task> tasks) const;

protected:
  runner() = default;
  runner(std::shared_ptr<detail::core> on, std::string session, std::string space)
      : core_{std::move(on)}, session_{std::move(session)}, space_{std::move(space)} {}

  std::shared_ptr<detail::core> core_;
  std::string session_; ///< Id or name; empty for one-shots.
  std::string space_;   ///< Namespace; empty for the base one.
  std::string within_;  ///< Call that all of this is part of answering; empty: none.
  std::string pool_;    ///< Session pool, instead of a session.
  std::string affinity_key_;
  affinity affinity_ = affinity::unset;

private:
  template <class Message>
  void put_pool(Message& to) const;
};

/// A function of a module, or an attribute on the way to one.
class module_handle {
public:
  module_handle(runner in, std::string module, std::string name)
      : in_{std::move(in)}, module_{std::move(module)}, name_{std::move(name)} {}
  [[nodiscard]] module_handle attr(std::string_view name) const {
    return {in_, module_, name_.empty() ? std::string{name} : name_ + '.' + std::string{name}};
  }
  template <class... Args>
  value operator()(Args&&... args) const {
    return in_.call(module_, name_, std::forward<Args>(args)...);
  }
  /// The attribute itself.
  [[nodiscard]] value get() const { return in_.apply(operation::get, module_name{module_}, name_); }

private:
  runner in_;
  std::string module_;
  std::string name_;
};

inline module_handle runner::module(std::string name) const {
  return {*this, std::move(name), {}};
}

/// While it lives an object is entered as a context manager; it is left at the latest when this is
/// destroyed, in the background, or when the session is closed.
class [[nodiscard]] entered {
public:
  entered(ref manager, value bound) : manager_{std::move(manager)}, bound_{std::move(bound)} {}
  entered(entered&&) noexcept = default;
  entered& operator=(entered&&) = delete;
  ~entered();
  /// What `as` would bind.
  [[nodiscard]] const value& bound() const noexcept { return bound_; }
  /// Leaves it now; throws what leaving raises.
  void exit();

private:
  ref manager_;
  value bound_;
};

template <class... Args>
value ref::call(std::string_view method, Args&&... args) const {
  return prepare(operation::call, method, arguments::of(std::forward<Args>(args)...)).get();
}
template <class... Args>
value ref::operator()(Args&&... args) const {
  return prepare(operation::call, {}, arguments::of(std::forward<Args>(args)...)).get();
}

} // namespace client_v1
} // namespace vivarium
