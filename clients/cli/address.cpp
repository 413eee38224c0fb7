// SPDX-License-Identifier: Apache-2.0
#include "clients/cli/address.hpp"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include <sys/stat.h>
#include <unistd.h>

namespace vivarium::cli {

namespace {

constexpr const char* default_port = "7717";

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5
         && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

error malformed(std::string_view url, std::string_view why) {
  return {errc::invalid_argument, "server '" + std::string{url} + "': " + std::string{why}};
}

/// Strips `prefix` from `text` when it is there.
bool consume(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix)
    return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// Splits `host:port`, `[v6]:port` and either without a port.
status split_authority(std::string_view url, std::string_view text, address& out) {
  auto colon = text.rfind(':');
  if (consume(text, "[")) {
    auto end = text.find(']');
    if (end == std::string_view::npos)
      return malformed(url, "'[' without ']'");
    out.host = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (text.empty())
      return done{};
    colon = 0;
    if (text.front() != ':')
      return malformed(url, "expected ':' and a port after ']'");
  } else {
    out.host = text.substr(0, colon);
    if (colon == std::string_view::npos)
      return done{};
  }
  out.port = text.substr(colon + 1);
  if (!is_port(out.port))
    return malformed(url, "the port is not a number");
  return done{};
}

/// Whether `path` is a socket in a place where no other user can have put it.
bool trusted_socket(const std::string& path) {
  struct stat socket {};
  if (::stat(path.c_str(), &socket) != 0 || !S_ISSOCK(socket.st_mode))
    return false;
  return socket.st_uid == 0 || socket.st_uid == ::geteuid();
}

std::optional<std::string> variable(const char* name) {
  // Read before any thread exists.
  const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe)
  if (value == nullptr || *value == '\0')
    return std::nullopt;
  return value;
}

std::optional<std::string> default_socket() {
  if (auto dir = variable("XDG_RUNTIME_DIR"); dir && trusted_socket(*dir + "/vivarium.sock"))
    return *dir + "/vivarium.sock";
  auto own = "/tmp/vivarium-" + std::to_string(::geteuid()) + "/vivarium.sock";
  for (const auto& path : {std::string{"/run/vivarium/vivarium.sock"}, own})
    if (trusted_socket(path))
      return path;
  return std::nullopt;
}

} // namespace

std::string address::authority() const {
  if (kind == scheme::unix_socket)
    return "localhost";
  auto name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return name + ":" + port;
}

result<address> parse_address(std::string_view url) {
  address out;
  auto rest = url;
  if (consume(rest, "unix://")) {
    out.kind = address::scheme::unix_socket;
    out.path = rest;
    if (rest.empty() || rest.front() != '/')
      return malformed(url, "expected unix:///absolute/path");
    return out;
  }
  if (consume(rest, "https://")) {
    out.kind = address::scheme::https;
    out.port = "443";
  } else if (consume(rest, "http://")) {
    out.port = default_port;
  } else {
    return malformed(url, "expected http://, https:// or unix:///");
  }
  if (!rest.empty() && rest.back() == '/')
    rest.remove_suffix(1);
  if (rest.find_first_of("/?#@") != std::string_view::npos)
    return malformed(url, "expected only a host and a port");
  if (auto split = split_authority(url, rest, out); !split)
    return split.why();
  if (out.host.empty())
    return malformed(url, "the host is missing");
  return out;
}

result<address> choose_address(const std::string& flag) {
  if (!flag.empty())
    return parse_address(flag);
  if (auto url = variable("VIVARIUM_URL"))
    return parse_address(*url);
  address out;
  if (auto path = default_socket()) {
    out.kind = address::scheme::unix_socket;
    out.path = *path;
  } else {
    out.host = "127.0.0.1";
    out.port = default_port;
  }
  return out;
}

} // namespace vivarium::cli
