// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/options.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace vivarium {
inline namespace client_v1 {

/// How a web application is made; see BootAppRequest in app.proto.
struct app_options {
  std::string name = {};
  std::string source = {};    ///< Or
  std::string module = {};    ///< this.
  std::string attribute = {}; ///< Name of the application there; empty for "app".
  bool everybody = false;     ///< May ask it over HTTP; else whoever has a key of the tenant.
  std::string host = {};      ///< First label of a host name of its own.
  std::uint32_t workers = 1;  ///< Sessions that each have it.
  std::string session = {};   ///< That it shall live in; empty: sessions of its own,
  session_options own = {};   ///< which are like this.
};

/// A web application as it stands.
struct app_info {
  std::string id;
  std::string name;
  std::string kind;  ///< "asgi" or "wsgi".
  std::string state; ///< "booting", "ready" or "dead".
  std::string path;  ///< Where it is served.
  std::vector<std::string> hosts;
  std::uint32_t workers = 0;
  std::uint64_t requests = 0;
  std::uint64_t failures = 0;
  std::string trouble;
};

} // namespace client_v1
} // namespace vivarium
