// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/wire.hpp"

namespace vivarium {
inline namespace client_v1 {

using detail::decode;
using detail::encode;

namespace {

request<std::vector<variable_info>> variables_of(const std::shared_ptr<detail::core>& on,
                                                 const std::string& session,
                                                 const std::string& space) {
  auto frame = detail::new_frame();
  frame->mutable_list_variables()->set_session(session);
  frame->mutable_list_variables()->set_namespace_(space);
  return {{on, std::move(frame)}, [](detail::reply& answer) {
            std::vector<variable_info> out;
            for (const auto& each : answer.frame.list_variables().variables()) {
              auto& to = out.emplace_back();
              to = {each.name(), each.type_name(), each.repr(), {}, each.size_bytes()};
              if (each.has_length())
                to.length = each.length();
            }
            return out;
          }};
}

request<done> destruction_of(const std::shared_ptr<detail::core>& on, const std::string& session,
                             const std::string& space) {
  auto frame = detail::new_frame();
  frame->mutable_destroy_namespace()->set_session(session);
  frame->mutable_destroy_namespace()->set_namespace_(space);
  return {{on, std::move(frame)}, [](detail::reply&) { return done{}; }};
}

request<done> closing_of(const std::shared_ptr<detail::core>& on, const std::string& session) {
  auto frame = detail::new_frame();
  frame->mutable_close_session()->set_session(session);
  return {{on, std::move(frame)}, [](detail::reply&) { return done{}; }};
}

memory_stats decode(const v1::GetMemoryStatsResponse& from) {
  memory_stats out;
  for (const auto& each : from.generations())
    out.generations.push_back({each.count(), each.threshold(), each.collections(), each.collected(),
                               each.uncollectable()});
  out.gc_enabled = from.gc_enabled();
  out.tracing = from.tracing();
  out.traced_bytes = from.traced_bytes();
  out.traced_peak_bytes = from.traced_peak_bytes();
  out.refs = from.refs();
  out.namespaces = from.namespaces();
  out.streams = from.streams();
  out.resident_bytes = from.resident_bytes();
  out.peak_resident_bytes = from.peak_resident_bytes();
  return out;
}

} // namespace

void detail::end_unheard(const std::shared_ptr<core>& on, const std::string& session,
                         const std::string& space) noexcept {
  try {
    auto end = space.empty() ? closing_of(on, session) : destruction_of(on, session, space);
    std::move(end).then([](std::exception_ptr, done) {});
  } catch (...) { // The connection is gone, or there is no memory: the daemon's limits clean up.
  }
}

name_space::name_space(std::shared_ptr<detail::core> on, std::string session, namespace_info info)
    : owner{std::move(on), std::move(session), info.id, info, true} {}

void name_space::destroy() {
  owned_ = false;
  (void)destruction_of(core_, session_, space_).get();
}

std::vector<variable_info> name_space::list_variables() const {
  return variables_of(core_, session_, space_).get();
}

session::session(std::shared_ptr<detail::core> on, session_info info, bool owned)
    : owner{std::move(on), info.id, {}, info, owned} {}

session& session::detach() noexcept {
  owned_ = false;
  return *this;
}

void session::close() {
  owned_ = false;
  (void)prepare_close().get();
}

name_space session::use_namespace(std::string id_or_name) const {
  name_space out{core_, session_, {std::move(id_or_name), {}, {}}};
  out.detach();
  out.set_within(within_);
  return out;
}

request<done> session::prepare_close() const {
  return closing_of(core_, session_);
}

request<session_info> session::prepare_status() const {
  auto frame = detail::new_frame();
  frame->mutable_get_session()->set_session(session_);
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return decode(answer.frame.get_session().session()); }};
}

request<name_space> session::prepare_namespace(const namespace_options& how) const {
  auto frame = detail::new_frame();
  frame->mutable_create_namespace()->set_session(session_);
  encode(how, *frame->mutable_create_namespace(), core_);
  return {{core_, std::move(frame)}, [session = session_](detail::reply& answer) {
            return name_space{answer.from, session,
                              decode(answer.frame.create_namespace().namespace_())};
          }};
}

request<std::vector<namespace_info>> session::prepare_namespaces() const {
  auto frame = detail::new_frame();
  frame->mutable_list_namespaces()->set_session(session_);
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            std::vector<namespace_info> out;
            for (const auto& each : answer.frame.list_namespaces().namespaces())
              out.push_back(decode(each));
            return out;
          }};
}

request<std::vector<variable_info>> session::prepare_variables(std::string space) const {
  return variables_of(core_, session_, space);
}

request<interpreter_info> session::prepare_interpreter() const {
  auto frame = detail::new_frame();
  frame->mutable_get_interpreter()->set_session(session_);
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& from = answer.frame.get_interpreter();
            interpreter_info out{from.version(),
                                 from.implementation(),
                                 from.platform(),
                                 {from.path().begin(), from.path().end()},
                                 {}};
            for (const auto& each : from.packages())
              out.packages.emplace_back(each.name(), each.version());
            return out;
          }};
}

request<memory_stats> session::prepare_memory() const {
  auto frame = detail::new_frame();
  frame->mutable_get_memory_stats()->set_session(session_);
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return decode(answer.frame.get_memory_stats()); }};
}

request<std::uint64_t> session::prepare_collect(std::optional<std::uint32_t> generation) const {
  auto frame = detail::new_frame();
  frame->mutable_collect_garbage()->set_session(session_);
  if (generation)
    frame->mutable_collect_garbage()->set_generation(*generation);
  return {{core_, std::move(frame)}, [](detail::reply& answer) -> std::uint64_t {
            return answer.frame.collect_garbage().collected();
          }};
}

request<bool> session::prepare_tracemalloc(bool enabled, std::uint32_t frames) const {
  auto frame = detail::new_frame();
  frame->mutable_set_tracemalloc()->set_session(session_);
  frame->mutable_set_tracemalloc()->set_enabled(enabled);
  frame->mutable_set_tracemalloc()->set_frames(frames);
  return {{core_, std::move(frame)},
          [](detail::reply& answer) { return answer.frame.set_tracemalloc().was_enabled(); }};
}

} // namespace client_v1
} // namespace vivarium
