// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/feed.hpp"
#include "clients/cpp/src/wire.hpp"

namespace vivarium {
inline namespace client_v1 {

using detail::decode;
using detail::encode;
using detail::verdict_of;

namespace {

value value_of(verdict from) {
  from.check();
  return std::move(from.result);
}

batch_result decode(v1::BatchResult& from, const detail::reply& answer) {
  batch_result out;
  if (from.has_rejection())
    out.rejection = detail::error_of(from.rejection());
  else
    out.verdict = verdict_of(from, answer);
  return out;
}

task::source source_of(std::string_view source, const variables& with, const run_options& how) {
  return {std::string{source}, with, how};
}

} // namespace

template <class Message>
void runner::put_pool(Message& to) const {
  if (pool_.empty())
    return;
  to.set_pool(pool_);
  to.set_affinity_key(affinity_key_);
  to.set_affinity(static_cast<v1::Affinity>(affinity_));
}

request<verdict> runner::prepare_run(std::string_view source, const variables& with,
                                     const run_options& how) const {
  auto frame = detail::new_frame();
  encode(source_of(source, with, how), {core_, session_, space_, within_}, *frame->mutable_eval());
  put_pool(*frame->mutable_eval());
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return verdict_of(*answer.frame.mutable_eval(), answer); }};
}

request<value> runner::prepare_eval(std::string_view source, const variables& with,
                                    const run_options& how) const {
  return prepare_run(source, with, how).map(value_of);
}

request<verdict> runner::prepare_run_call(call_target target, std::string_view name, operation what,
                                          arguments with) const {
  auto frame = detail::new_frame();
  encode(task::call{std::move(target), std::string{name}, what, std::move(with)},
         {core_, session_, space_, within_}, *frame->mutable_call());
  put_pool(*frame->mutable_call());
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return verdict_of(*answer.frame.mutable_call(), answer); }};
}

request<value> runner::prepare_call(call_target target, std::string_view name, operation what,
                                    arguments with) const {
  return prepare_run_call(std::move(target), name, what, std::move(with)).map(value_of);
}

request<execution> runner::prepare_start(std::string_view source, const variables& with,
                                         const run_options& how) const {
  auto frame = detail::new_frame();
  encode(source_of(source, with, how), {core_, session_, space_, within_},
         *frame->mutable_start()->mutable_eval());
  put_pool(*frame->mutable_start()->mutable_eval());
  frame->mutable_start()->set_detach(how.detach);
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& started = answer.frame.start();
            return execution{answer.from, started.execution_id(), started.session_id(),
                             answer.frame.request_id()};
          }};
}

request<std::vector<batch_result>> runner::prepare_batch(std::vector<task> tasks) const {
  auto frame = detail::new_frame();
  auto& items = *frame->mutable_batch();
  for (auto& each : tasks) {
    auto& item = *items.add_items();
    if (const auto* source = std::get_if<task::source>(&each.what)) {
      encode(*source, {core_, session_, space_, within_}, *item.mutable_eval());
      put_pool(*item.mutable_eval());
    } else {
      encode(std::get<task::call>(each.what), {core_, session_, space_, within_},
             *item.mutable_call());
      put_pool(*item.mutable_call());
    }
  }
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            std::vector<batch_result> out;
            for (auto& each : *answer.frame.mutable_batch()->mutable_results())
              out.push_back(decode(each, answer));
            return out;
          }};
}

basic_stream<value> runner::stream(task what, const stream_options& how) const {
  auto frame = detail::new_frame();
  auto& request = *frame->mutable_stream();
  if (const auto* source = std::get_if<task::source>(&what.what)) {
    encode(*source, {core_, session_, space_, within_}, *request.mutable_eval());
    put_pool(*request.mutable_eval());
  } else {
    encode(std::get<task::call>(what.what), {core_, session_, space_, within_},
           *request.mutable_call());
    put_pool(*request.mutable_call());
  }
  request.set_idle_timeout_ms(static_cast<std::uint64_t>(how.idle.count()));
  return basic_stream<value>{
      detail::feed<value>::open(detail::need(core_), *frame, how.window, session_)};
}

basic_stream<value> runner::stream(std::string_view source, const variables& with,
                                   const stream_options& how) const {
  return stream(task{source_of(source, with, how.run)}, how);
}

} // namespace client_v1
} // namespace vivarium
