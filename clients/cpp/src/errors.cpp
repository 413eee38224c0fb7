// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/wire.hpp"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include <cstdlib>
#include <typeinfo>

#include <cxxabi.h>

namespace vivarium {
inline namespace client_v1 {

namespace {

std::string conversion_text(const std::string& from, const std::string& to, std::string_view why) {
  auto out = "cannot convert " + from + " to " + to;
  if (!why.empty())
    out += ": " + std::string{why};
  return out;
}

std::shared_ptr<const exception_info> nothing_known() {
  return std::make_shared<const exception_info>();
}

std::string text_of(const exception_info& from) {
  if (from.type.empty())
    return from.message.empty() ? "the execution failed" : from.message;
  return from.message.empty() ? from.type : from.type + ": " + from.message;
}

std::string code_of(const exception_info& from, const verdict* of) {
  if (!from.code.empty())
    return from.code;
  return of != nullptr && of->cause ? of->cause->cause : std::string{};
}

template <class E>
std::exception_ptr stopped(std::shared_ptr<const exception_info> why,
                           std::shared_ptr<const verdict> of, const std::string& request_id) {
  auto text = text_of(*why);
  auto kind = why->kind;
  auto code = code_of(*why, of.get());
  return std::make_exception_ptr(
      E{text, kind, std::move(code), std::move(why), std::move(of), request_id});
}

std::exception_ptr execution_error_of(std::shared_ptr<const exception_info> why,
                                      std::shared_ptr<const verdict> of,
                                      const std::string& request_id = {}) {
  switch (why->kind) {
    case error_kind::timeout: return stopped<timeout_error>(why, of, request_id);
    case error_kind::cancelled: return stopped<cancelled_error>(why, of, request_id);
    case error_kind::session_lost: return stopped<session_lost_error>(why, of, request_id);
    case error_kind::limit: return stopped<limit_error>(why, of, request_id);
    default: return stopped<python_error>(why, of, request_id);
  }
}

/// A request that was refused: Connect's code, the message, the detail.
std::exception_ptr refused(const std::string& connect_code, const std::string& message,
                           const v1::ErrorDetail& detail) {
  const auto kind = static_cast<error_kind>(detail.kind());
  const auto& code = detail.code().empty() ? connect_code : detail.code();
  const auto& id = detail.request_id();
  auto make = [&]<class E>(std::type_identity<E>) {
    return std::make_exception_ptr(E{message, kind, code, id});
  };
  auto make_stopped = [&]<class E>(std::type_identity<E>) {
    return std::make_exception_ptr(E{message, kind, code, nothing_known(), nullptr, id});
  };
  if (code == "session_lost" || connect_code == "aborted" || connect_code == "data_loss")
    return make_stopped(std::type_identity<session_lost_error>{});
  if (connect_code == "canceled")
    return make_stopped(std::type_identity<cancelled_error>{});
  if (connect_code == "deadline_exceeded")
    return make_stopped(std::type_identity<timeout_error>{});
  if (code == "busy" || kind == error_kind::busy)
    return make(std::type_identity<busy_error>{});
  if (connect_code == "resource_exhausted")
    return make_stopped(std::type_identity<limit_error>{});
  if (connect_code == "not_found")
    return make(std::type_identity<not_found_error>{});
  if (connect_code == "already_exists")
    return make(std::type_identity<already_exists_error>{});
  if (connect_code == "invalid_argument" || connect_code == "out_of_range")
    return make(std::type_identity<invalid_argument_error>{});
  if (connect_code == "unavailable")
    return make(std::type_identity<unavailable_error>{});
  return make(std::type_identity<request_error>{});
}

bool same_type(const std::string& name, const std::string& module, std::string_view wanted) {
  return name == wanted
         || (!module.empty() && wanted.size() == module.size() + 1 + name.size()
             && wanted.starts_with(module) && wanted.ends_with(name)
             && wanted[module.size()] == '.');
}

} // namespace

conversion_error::conversion_error(std::string from, std::string to, std::string_view why)
    : error{conversion_text(from, to, why), error_kind::value, "conversion"},
      from_{std::move(from)}, to_{std::move(to)} {}

execution_error::execution_error(const std::string& what, error_kind kind, std::string code,
                                 std::shared_ptr<const exception_info> exception,
                                 std::shared_ptr<const struct verdict> verdict,
                                 std::string request_id)
    : error{what, kind, std::move(code), std::move(request_id)},
      exception_{exception ? std::move(exception) : nothing_known()}, verdict_{std::move(verdict)} {
}

const std::string& execution_error::type() const noexcept {
  return exception_->type;
}
const std::string& execution_error::traceback() const noexcept {
  return exception_->traceback;
}
bool execution_error::is(std::string_view type) const noexcept {
  return exception_->is(type);
}

bool exception_info::is(std::string_view wanted) const noexcept {
  if (type.empty())
    return false;
  if (same_type(type, module, wanted))
    return true;
  for (const auto& base : bases) {
    const std::string_view name{base};
    const auto dot = name.rfind('.');
    if (name == wanted || (dot != std::string_view::npos && name.substr(dot + 1) == wanted))
      return true;
  }
  return false;
}

void verdict::check() const {
  if (exception)
    std::rethrow_exception(
        execution_error_of(exception, std::make_shared<verdict>(*this), request_id));
}

value batch_result::get() const {
  if (rejection)
    std::rethrow_exception(rejection);
  verdict.check();
  return verdict.result;
}

std::string cpp_name(const std::type_info& type) {
  int failed = 0;
  std::unique_ptr<char, decltype(&std::free)> name{
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &failed), &std::free};
  return failed == 0 ? name.get() : type.name();
}

namespace detail {

std::exception_ptr error_of(const v1::Failure& from) {
  if (!from.has_error())
    return refused(from.code(), from.message(), from.detail());
  auto why = decode(from.error(), {});
  return execution_error_of(std::move(why), nullptr, from.detail().request_id());
}

std::exception_ptr error_of(const v1::Rejection& from) {
  return refused(from.code(), from.message(), from.detail());
}

void check_answer(const v1::ServerFrame& answer) {
  if (answer.has_error())
    std::rethrow_exception(error_of(answer.error()));
}

std::exception_ptr error_of_refusal(const std::string& body, const std::string& why,
                                    const std::string& request_id) {
  v1::ErrorDetail detail;
  detail.set_request_id(request_id);
  google::protobuf::Struct fields;
  if (!body.empty() && google::protobuf::util::JsonStringToMessage(body, &fields).ok()) {
    const auto& map = fields.fields();
    auto text = [&map](const char* name) {
      auto found = map.find(name);
      return found == map.end() ? std::string{} : found->second.string_value();
    };
    if (auto code = text("code"); !code.empty())
      return refused(code, text("message").empty() ? code : text("message"), detail);
  }
  return std::make_exception_ptr(connection_error{why, error_kind::unspecified, {}, request_id});
}

} // namespace detail

} // namespace client_v1
} // namespace vivarium
