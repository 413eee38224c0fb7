// SPDX-License-Identifier: Apache-2.0
#include "clients/cpp/src/address.hpp"

#include <vivarium/error.hpp>

#include <algorithm>
#include <cstdlib>

#include <sys/stat.h>
#include <unistd.h>

namespace vivarium {
inline namespace client_v1 {
namespace detail {

namespace {

constexpr const char* default_port = "7717";

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5
         && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

[[noreturn]] void malformed(std::string_view url, std::string_view why) {
  throw invalid_argument_error{"server '" + std::string{url} + "': " + std::string{why},
                               error_kind::invalid_argument, "invalid_argument"};
}

/// Strips `prefix` from `text` when it is there.
bool consume(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix))
    return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// Splits `host:port`, `[v6]:port` and either without a port.
void split_authority(std::string_view url, std::string_view text, address& out) {
  auto colon = text.rfind(':');
  if (consume(text, "[")) {
    auto end = text.find(']');
    if (end == std::string_view::npos)
      malformed(url, "'[' without ']'");
    out.host = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (text.empty())
      return;
    colon = 0;
    if (text.front() != ':')
      malformed(url, "expected ':' and a port after ']'");
  } else {
    out.host = text.substr(0, colon);
    if (colon == std::string_view::npos)
      return;
  }
  out.port = text.substr(colon + 1);
  if (!is_port(out.port))
    malformed(url, "the port is not a number");
}

/// Whether `path` is a socket in a place where no other user can have put it.
bool trusted_socket(const std::string& path) {
  struct stat socket {};
  if (::stat(path.c_str(), &socket) != 0 || !S_ISSOCK(socket.st_mode))
    return false;
  return socket.st_uid == 0 || socket.st_uid == ::geteuid();
}

std::string default_socket() {
  auto runtime = variable_of_environment("XDG_RUNTIME_DIR");
  if (!runtime.empty() && trusted_socket(runtime + "/vivarium.sock"))
    return runtime + "/vivarium.sock";
  auto own = "/tmp/vivarium-" + std::to_string(::geteuid()) + "/vivarium.sock";
  for (const auto& path : {std::string{"/run/vivarium/vivarium.sock"}, own})
    if (trusted_socket(path))
      return path;
  return {};
}

} // namespace

std::string variable_of_environment(const char* name) {
  const char* found = std::getenv(name); // NOLINT(concurrency-mt-unsafe): the caller sets none
  return found == nullptr ? std::string{} : std::string{found};
}

std::string address::authority() const {
  if (kind == scheme::unix_socket)
    return "localhost";
  auto bare = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return bare + ":" + port;
}

std::string address::name() const {
  return kind == scheme::unix_socket ? path : authority();
}

address parse_address(std::string_view url) {
  address out;
  auto rest = url;
  if (consume(rest, "unix://")) {
    out.kind = address::scheme::unix_socket;
    out.path = rest;
    if (rest.empty() || rest.front() != '/')
      malformed(url, "expected unix:///absolute/path");
    return out;
  }
  if (consume(rest, "https://")) {
    out.kind = address::scheme::https;
    out.port = "443";
  } else if (consume(rest, "http://")) {
    out.port = default_port;
  } else {
    malformed(url, "expected http://, https:// or unix:///");
  }
  if (!rest.empty() && rest.back() == '/')
    rest.remove_suffix(1);
  if (rest.find_first_of("/?#@") != std::string_view::npos)
    malformed(url, "expected only a host and a port");
  split_authority(url, rest, out);
  if (out.host.empty())
    malformed(url, "the host is missing");
  return out;
}

address choose_address(std::string_view url) {
  if (!url.empty())
    return parse_address(url);
  if (auto chosen = variable_of_environment("VIVARIUM_URL"); !chosen.empty())
    return parse_address(chosen);
  address out;
  out.path = default_socket();
  if (!out.path.empty()) {
    out.kind = address::scheme::unix_socket;
  } else {
    out.host = "127.0.0.1";
    out.port = default_port;
  }
  return out;
}

} // namespace detail
} // namespace client_v1
} // namespace vivarium
