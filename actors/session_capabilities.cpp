// SPDX-License-Identifier: Apache-2.0
#include "actors/session_capabilities.hpp"

#include "bridge/value_view.hpp"
#include "bridge/value_writer.hpp"

#include <protozero/pbf_writer.hpp>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

namespace vivarium {

namespace {

using bridge::none_value;
using bridge::text_value;
using bridge::value_kind;
using bridge::value_view;
using outcome = bridge::host_result::outcome;

constexpr std::size_t most_arguments = 4;

/// Methods, so that what a worker says never becomes the label of a metric.
constexpr std::array<std::string_view, 7> methods{
    "store.get", "store.set", "store.delete", "store.scan", "sql.query", "sql.begin", "sql.end"};

struct arguments {
  std::array<value_view, most_arguments> items{};
  std::size_t count = 0;

  explicit arguments(std::string_view content) {
    for (bridge::field_walk walk{content}; count < items.size() && walk.next(); ++count)
      items[count] = value_view::open(walk.content());
  }
  [[nodiscard]] bool are(std::initializer_list<value_kind> kinds) const {
    return std::equal(kinds.begin(), kinds.end(), items.begin(), items.begin() + count,
                      [](value_kind kind, const value_view& one) { return one.kind == kind; });
  }
};

function_answer value(std::string encoded) {
  return {outcome::value, std::move(encoded)};
}

function_answer denied(std::string_view what, std::string_view option) {
  return failed_answer("PermissionError", std::string{what} + " is not allowed in this session; "
                                              + std::string{option}
                                              + " of CreateSession would allow it");
}

function_answer store_failed(const error& why) {
  return failed_answer(why.code == errc::invalid_argument ? "ValueError" : "store.StorageError",
                       why.detail);
}

function_answer out_of_scope(std::string_view what) {
  return failed_answer("PermissionError",
                       std::string{what}
                           + " is not allowed here: it is beyond the part of the store that this "
                             "session was given (`capabilities.store` of CreateSession: prefix, "
                             "keys, rights)");
}

std::string page_value(const store_page& page, bool values) {
  std::vector<std::string> items;
  for (const auto& [key, json] : page.entries)
    items.push_back(values ? bridge::tuple_value(std::array{text_value(key), text_value(json)})
                           : text_value(key));
  return bridge::tuple_value(std::array{bridge::list_value(items), text_value(page.next)});
}

} // namespace

function_answer failed_answer(std::string_view type, std::string_view message, std::string data) {
  // Fields of vivarium.v1.HostError.
  std::string out;
  protozero::pbf_writer writer{out};
  writer.add_string(1, type.data(), type.size());
  writer.add_string(2, message.data(), message.size());
  if (!data.empty())
    writer.add_message(4, data);
  return {outcome::error, std::move(out)};
}

session_capabilities::ticket session_capabilities::call(std::string_view name,
                                                        std::string_view operands,
                                                        std::chrono::milliseconds timeout,
                                                        answer_function then) {
  auto wanted = std::make_shared<int>();
  name.remove_prefix(std::min(name.size(), reserved_prefix.size()));
  auto known = std::find(methods.begin(), methods.end(), name);
  if (known == methods.end()) {
    then({outcome::not_found, "there is no such function of the daemon's"});
    return wanted;
  }
  auto since = clock_type::now();
  auto told = [weak = std::weak_ptr<void>{wanted}, &watch = around_.watch, method = *known, since,
               tenant = around_.tenant, environment = around_.environment,
               then = std::move(then)](function_answer with) {
    if (weak.expired())
      return;
    watch.capability_used(
        tenant, environment, method, with.kind == outcome::value ? "ok" : "error",
        std::chrono::duration_cast<std::chrono::microseconds>(clock_type::now() - since));
    then(std::move(with));
  };
  bridge::field_walk parts{value_view::open(operands).content};
  parts.next();
  auto positional = value_view::open(parts.content()).content;
  auto method = known->substr(known->find('.') + 1);
  if (known->starts_with("store."))
    call_store(method, positional, std::move(told));
  else if (!database_)
    told(denied("sql", "`capabilities.sql`"));
  else
    database_->call(method, positional, since + timeout, wanted, std::move(told));
  return wanted;
}

void session_capabilities::call_store(std::string_view method, std::string_view content,
                                      answer_function then) {
  if (!granted_.store)
    return then(denied("store", "`capabilities.store`"));
  arguments given{content};
  const auto& at = given.items;
  constexpr auto text = value_kind::text;
  constexpr auto number = value_kind::integer;
  if (method == "get" && given.are({text}))
    return store_get(at[0].content, std::move(then));
  if (method == "set" && given.are({text, text, number}))
    return store_set(at[0].content, at[1].content,
                     std::chrono::milliseconds{static_cast<std::int64_t>(
                         std::min<std::uint64_t>(at[2].bits, std::uint64_t{1} << 40))},
                     std::move(then));
  if (method == "delete" && given.are({text}))
    return store_delete(at[0].content, std::move(then));
  if (method == "scan" && given.are({text, text, number, number}))
    return store_scan(at[0].content, at[1].content, at[2].bits, at[3].bits != 0, std::move(then));
  then(failed_answer("TypeError", "these are not the arguments of store." + std::string{method}));
}

void session_capabilities::store_get(std::string_view key, answer_function then) {
  const auto& scope = *granted_.store;
  if (!scope.may(store_grant::get))
    return then(out_of_scope("store.get"));
  if (!scope.covers(key))
    return then(value(none_value()));
  around_.store.get(
      around_.tenant, std::string{key},
      reply<std::optional<std::string>>{[then](const result<std::optional<std::string>>& found) {
        then(!found   ? store_failed(found.why())
             : *found ? value(text_value(**found))
                      : value(none_value()));
      }});
}

void session_capabilities::store_set(std::string_view key, std::string_view json,
                                     std::chrono::milliseconds ttl, answer_function then) {
  const auto& scope = *granted_.store;
  if (!scope.may(store_grant::put) || !scope.covers(key))
    return then(out_of_scope("store.set of this key"));
  around_.store.set(around_.tenant, std::string{key}, std::string{json}, ttl,
                    reply<done>{[then](const result<done>& ok) {
                      then(ok ? value(none_value()) : store_failed(ok.why()));
                    }});
}

void session_capabilities::store_delete(std::string_view key, answer_function then) {
  const auto& scope = *granted_.store;
  if (!scope.may(store_grant::remove) || !scope.covers(key))
    return then(out_of_scope("store.delete of this key"));
  around_.store.remove(
      around_.tenant, std::string{key}, reply<bool>{[then](const result<bool>& there) {
        then(there ? value(bridge::int_value(*there ? 1 : 0)) : store_failed(there.why()));
      }});
}

void session_capabilities::store_scan(std::string_view prefix, std::string_view after,
                                      std::uint64_t limit, bool values, answer_function then) {
  const auto& scope = *granted_.store;
  if (!scope.may(store_grant::list) || (values && !scope.may(store_grant::get)))
    return then(out_of_scope(values ? "store.scan" : "store.keys"));
  // Of two prefixes the longer one, when they agree; else there is nothing.
  auto common = prefix.starts_with(scope.prefix)                     ? prefix
                : std::string_view{scope.prefix}.starts_with(prefix) ? scope.prefix
                                                                     : std::string_view{};
  if (common.empty() && !(prefix.empty() && scope.prefix.empty()))
    return then(value(page_value({}, values)));
  store_query what{std::string{common}, std::string{after}, scope.keys,
                   static_cast<std::size_t>(std::min<std::uint64_t>(limit, most_page_entries)),
                   values};
  around_.store.list(around_.tenant, std::move(what),
                     reply<store_page>{[then, values](const result<store_page>& page) {
                       then(page ? value(page_value(*page, values)) : store_failed(page.why()));
                     }});
}

} // namespace vivarium
