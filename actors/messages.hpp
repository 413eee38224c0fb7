// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/code_store.hpp"
#include "actors/overview.hpp"
#include "actors/service.hpp"
#include "actors/switchboard.hpp"
#include "actors/worker.hpp"

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/atom.hpp>
#include <caf/type_id.hpp>

#include <functional>
#include <memory>

namespace vivarium {

class session_core;

/// What a session goes on with when something beside the reactor is done.
using session_step = std::function<void(session_core&)>;

/// What the reaper saw of a worker's end.
struct worker_end {
  std::uint64_t worker = 0;
  bool known = false; ///< False: the whole jail ended, there was nobody to look.
  int wait_status = 0;
  std::chrono::microseconds cpu{};
  std::uint64_t peak_memory_bytes = 0;
};

} // namespace vivarium

CAF_BEGIN_TYPE_ID_BLOCK(vivarium, caf::first_custom_type_id)
  CAF_ADD_ATOM(vivarium, vivarium::atom, submit, "submit")
  CAF_ADD_ATOM(vivarium, vivarium::atom, compile, "compile")
  CAF_ADD_ATOM(vivarium, vivarium::atom, run, "run")
  CAF_ADD_ATOM(vivarium, vivarium::atom, cancel, "cancel")
  CAF_ADD_ATOM(vivarium, vivarium::atom, find, "find")
  CAF_ADD_ATOM(vivarium, vivarium::atom, list, "list")
  CAF_ADD_ATOM(vivarium, vivarium::atom, create, "create")
  CAF_ADD_ATOM(vivarium, vivarium::atom, describe, "describe")
  CAF_ADD_ATOM(vivarium, vivarium::atom, close, "close")
  CAF_ADD_ATOM(vivarium, vivarium::atom, acquire, "acquire")
  CAF_ADD_ATOM(vivarium, vivarium::atom, granted, "granted")
  CAF_ADD_ATOM(vivarium, vivarium::atom, refused, "refused")
  CAF_ADD_ATOM(vivarium, vivarium::atom, release, "release")
  CAF_ADD_ATOM(vivarium, vivarium::atom, interrupt, "interrupt")
  CAF_ADD_ATOM(vivarium, vivarium::atom, input, "input")
  CAF_ADD_ATOM(vivarium, vivarium::atom, writable, "writable")
  CAF_ADD_ATOM(vivarium, vivarium::atom, tick, "tick")
  CAF_ADD_ATOM(vivarium, vivarium::atom, exited, "exited")
  CAF_ADD_ATOM(vivarium, vivarium::atom, gone, "gone")
  CAF_ADD_ATOM(vivarium, vivarium::atom, ended, "ended")
  CAF_ADD_ATOM(vivarium, vivarium::atom, drain, "drain")
  CAF_ADD_ATOM(vivarium, vivarium::atom, watch, "watch")
  CAF_ADD_ATOM(vivarium, vivarium::atom, pull, "pull")
  CAF_ADD_ATOM(vivarium, vivarium::atom, destroy, "destroy")
  CAF_ADD_ATOM(vivarium, vivarium::atom, memory, "memory")
  CAF_ADD_ATOM(vivarium, vivarium::atom, disown, "disown")
  CAF_ADD_ATOM(vivarium, vivarium::atom, resize, "resize")
  CAF_ADD_ATOM(vivarium, vivarium::atom, resized, "resized")
  CAF_ADD_ATOM(vivarium, vivarium::atom, placed, "placed")
  CAF_ADD_ATOM(vivarium, vivarium::atom, beyond, "beyond")
  CAF_ADD_ATOM(vivarium, vivarium::atom, greeted, "greeted")
  CAF_ADD_ATOM(vivarium, vivarium::atom, answered, "answered")
  CAF_ADD_ATOM(vivarium, vivarium::atom, mail, "mail")
  CAF_ADD_ATOM(vivarium, vivarium::atom, files, "files")
  CAF_ADD_ATOM(vivarium, vivarium::atom, commit, "commit")
  CAF_ADD_ATOM(vivarium, vivarium::atom, resume, "resume")
  CAF_ADD_ATOM(vivarium, vivarium::atom, feed, "feed")
  CAF_ADD_ATOM(vivarium, vivarium::atom, recycle, "recycle")
CAF_END_TYPE_ID_BLOCK(vivarium)

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::submission)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::session_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::namespace_request)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::execution_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::worker_ptr)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::worker_end)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::session_info)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::code_store::code)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::stop_mode)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::error)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::cause)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::app_feed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::function_answer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::clock_type::time_point)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::function<void()>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<vivarium::execution_ptr>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<vivarium::session_pool_info>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::session_step)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<vivarium::session_files_ptr>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<vivarium::volume_info>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<bool>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<std::uint64_t>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::overview_part)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<std::vector<vivarium::session_overview>>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<std::vector<vivarium::execution_overview>>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<vivarium::compiled>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<vivarium::done>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<vivarium::session_info>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<vivarium::namespace_info>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<vivarium::worker_memory>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<std::vector<vivarium::namespace_info>>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<std::vector<vivarium::session_info>>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<std::vector<vivarium::execution_info>>)
