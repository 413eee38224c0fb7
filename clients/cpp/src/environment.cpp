// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/feed.hpp"
#include "clients/cpp/src/wire.hpp"

#include <vivarium/client.hpp>

namespace vivarium {
inline namespace client_v1 {

namespace {

constexpr std::uint32_t log_window = 256;

void encode(const environment_spec& from, v1::EnvironmentSpec& to) {
  to.set_interpreter(from.interpreter);
  to.set_virtual_environment(from.virtual_environment);
  for (const auto& each : from.requirements)
    to.add_requirements(each);
  to.set_pyproject(from.pyproject);
  to.set_lock(from.lock);
  to.set_python(from.python);
  for (const auto& each : from.extras)
    to.add_extras(each);
  to.set_installer(static_cast<v1::EnvironmentInstaller>(from.installer));
  to.set_index_url(from.index_url);
  to.set_wheel_directory(from.wheel_directory);
  to.set_allow_source_builds(from.allow_source_builds);
  to.set_build_timeout_ms(static_cast<std::uint64_t>(from.build_timeout.count()));
  for (const auto& each : from.preload)
    to.add_preload(each);
  to.set_init(from.init);
  for (const auto& each : from.import_paths)
    to.add_import_paths(each);
  to.mutable_environment_variables()->insert(from.environment_variables.begin(),
                                             from.environment_variables.end());
}

} // namespace

namespace detail {

environment_info decode(const v1::Environment& from) {
  environment_info out;
  out.name = from.name();
  out.id = from.id();
  out.state = static_cast<environment_state>(from.state());
  out.python = from.python();
  out.python_version = from.python_version();
  out.platform_tag = from.platform_tag();
  for (const auto& each : from.packages())
    out.packages.emplace_back(each.name(), each.version());
  out.lock = from.lock();
  out.trouble = from.trouble();
  out.configured = from.configured();
  out.own = from.own();
  out.preload.assign(from.preload().begin(), from.preload().end());
  return out;
}

} // namespace detail

request<environment_info>
client::prepare_register_environment(const environment_options& how) const {
  auto frame = detail::new_frame();
  auto& to = *frame->mutable_register_environment();
  to.set_name(how.name);
  to.set_force(how.force);
  to.set_for_all(how.for_all);
  encode(how.spec, *to.mutable_spec());
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            return detail::decode(answer.frame.register_environment().environment());
          }};
}

build_stream client::build_environment(std::string_view name, bool force) const {
  auto frame = detail::new_frame();
  frame->mutable_build_environment()->set_name(std::string{name});
  frame->mutable_build_environment()->set_force(force);
  return build_stream{detail::feed<build_step>::open(detail::need(core_), *frame, log_window, {})};
}

request<environment_info> client::prepare_environment(std::string_view name) const {
  auto frame = detail::new_frame();
  frame->mutable_get_environment()->set_name(std::string{name});
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            return detail::decode(answer.frame.get_environment().environment());
          }};
}

request<std::vector<environment_info>> client::prepare_environments() const {
  auto frame = detail::new_frame();
  frame->mutable_list_environments();
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            std::vector<environment_info> out;
            for (const auto& each : answer.frame.list_environments().environments())
              out.push_back(detail::decode(each));
            return out;
          }};
}

request<environment_verification>
client::prepare_verify_environment(std::string_view name,
                                   const std::vector<std::string>& requirements,
                                   const std::vector<std::string>& stdlib) const {
  auto frame = detail::new_frame();
  auto& to = *frame->mutable_verify_environment();
  to.set_name(std::string{name});
  for (const auto& each : requirements)
    to.add_requirements(each);
  for (const auto& each : stdlib)
    to.add_stdlib_modules(each);
  return {{core_, std::move(frame)}, [](detail::reply& answer) {
            const auto& from = answer.frame.verify_environment();
            environment_verification out;
            out.satisfied = from.satisfied();
            for (const auto& each : from.checks())
              out.checks.push_back(
                  {each.requirement(), each.satisfied(), each.found(), each.problem()});
            return out;
          }};
}

request<done> client::prepare_remove_environment(std::string_view name) const {
  auto frame = detail::new_frame();
  frame->mutable_remove_environment()->set_name(std::string{name});
  return {{core_, std::move(frame)}, [](detail::reply&) { return done{}; }};
}

} // namespace client_v1
} // namespace vivarium
