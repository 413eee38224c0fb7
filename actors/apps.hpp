// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/service.hpp"

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace vivarium {

/// Numbers equal vivarium.v1.AppKind.
enum class app_kind : std::uint8_t { unknown = 0, asgi = 1, wsgi = 2 };
/// Who may ask an application over HTTP. Numbers equal vivarium.v1.AppAccess.
enum class app_access : std::uint8_t { key = 1, open = 2 };
/// Numbers equal vivarium.v1.AppState.
enum class app_state : std::uint8_t { booting = 1, ready = 2, dead = 3 };

/// What a client asks of a new application.
struct app_plan {
  std::string name;      ///< May be empty.
  std::string source;    ///< Or
  std::string module;    ///< this.
  std::string filename;  ///< Of source.
  std::string attribute; ///< Name of the application there.
  app_kind kind = app_kind::unknown;
  app_access access = app_access::key;
  std::string host; ///< Label below the daemon's domain; may be empty.
  std::size_t workers = 1;
  app_limits limits;    ///< 0: the daemon's.
  std::string session;  ///< That it shall live in; empty: sessions of its own,
  session_request wish; ///< which are like this.
  std::chrono::milliseconds boot_timeout{0};
  std::string request_id;
  trace_place trace; ///< Of its boot; what is made for it later is of no request.
};

/// A request that an application failed to answer in order.
struct app_failure {
  std::string execution;
  std::string request; ///< Method and path.
  std::chrono::system_clock::time_point time;
  std::string error; ///< Encoded and validated vivarium.v1.ExecutionError.
};

/// One session of an application.
struct app_worker {
  std::string session;
  std::uint64_t in_flight = 0;
  bool ready = false;
  std::uint64_t requests = 0;     ///< It was given.
  clock_type::time_point since{}; ///< When it became ready.
  bool leaving = false;           ///< Another one is there in its place; it gets no more requests.
};

/// An application as it stands.
struct app_info {
  std::string id;
  std::string name;
  std::string tenant;
  std::string host; ///< Its label.
  app_kind kind = app_kind::unknown;
  app_access access = app_access::key;
  app_state state = app_state::booting;
  std::vector<app_worker> workers;
  std::vector<std::string> hosts; ///< Whole names.
  std::chrono::system_clock::time_point created;
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;
  app_limits limits;
  std::string trouble;
  std::deque<app_failure> recent;
};

} // namespace vivarium
