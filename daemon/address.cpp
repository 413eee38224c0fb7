// SPDX-License-Identifier: Apache-2.0
#include "daemon/address.hpp"

#include <boost/asio/ip/address.hpp>

#include <cerrno>
#include <charconv>
#include <cstdlib>

#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace vivarium {

namespace {

error wrong(std::string_view text, std::string_view why) {
  return {errc::invalid_argument,
          "listen address \"" + std::string{text} + "\": " + std::string{why}};
}

result<listen_address> parse_tcp(std::string_view text, std::string_view rest,
                                 listen_address::kind what) {
  auto colon = rest.rfind(':');
  if (colon == std::string_view::npos)
    return wrong(text, "expected host:port, https://host:port or unix:///path");
  auto host = rest.substr(0, colon);
  auto port_text = rest.substr(colon + 1);
  unsigned port = 0;
  auto [stop, why] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (why != std::errc{} || stop != port_text.data() + port_text.size() || port > 65'535)
    return wrong(text, "the port must be a number from 0 to 65535");
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  if (host.empty() || host == "localhost")
    host = "127.0.0.1";
  boost::system::error_code bad;
  auto address = boost::asio::ip::make_address(std::string{host}, bad);
  if (bad)
    return wrong(text, "the host must be an IP address or localhost");
  listen_address out;
  out.what = what;
  out.tcp = {address, static_cast<std::uint16_t>(port)};
  out.text = text;
  return out;
}

/// Makes or accepts a directory that belongs to us alone.
status own_directory(const std::string& path) {
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return os_error("mkdir", path, errno);
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0)
    return os_error("lstat", path, errno);
  // Somebody else may have been first in a directory that everybody can write to.
  if (!S_ISDIR(info.st_mode) || info.st_uid != ::geteuid() || (info.st_mode & 077) != 0)
    return error{errc::permission_denied, path + " exists and is not a directory of ours alone"};
  return done{};
}

} // namespace

result<listen_address> parse_address(std::string_view text) {
  using kind = listen_address::kind;
  if (text.starts_with("unix://")) {
    auto path = text.substr(7);
    if (!path.starts_with('/'))
      return wrong(text, "expected unix:///path with an absolute path");
    if (path.size() >= sizeof(sockaddr_un::sun_path))
      return wrong(text, "the path is too long for a socket (107 bytes at most)");
    listen_address out;
    out.what = kind::local;
    out.path = path;
    out.text = text;
    return out;
  }
  if (text.starts_with("https://"))
    return parse_tcp(text, text.substr(8), kind::tls);
  if (text.starts_with("http://"))
    return parse_tcp(text, text.substr(7), kind::tcp);
  return parse_tcp(text, text, kind::tcp);
}

status check_reach(const listen_address& where, bool authenticated) {
  if (authenticated || where.what == listen_address::kind::local
      || where.tcp.address().is_loopback())
    return done{};
  return wrong(where.text,
               "only loopback addresses are allowed while clients are not authenticated: everybody "
               "who reached the port could run code. Make a key with \"vivarium keys create\" and "
               "set auth.keys, or use client certificates with tls.client_ca");
}

std::string default_tcp_address() {
  return "127.0.0.1:7717";
}

result<std::string> default_socket_address() {
  if (::geteuid() == 0) {
    if (::mkdir("/run/vivarium", 0755) != 0 && errno != EEXIST)
      return os_error("mkdir", "/run/vivarium", errno);
    return std::string{"unix:///run/vivarium/vivarium.sock"};
  }
  if (const char* runtime = std::getenv("XDG_RUNTIME_DIR"); runtime != nullptr && *runtime == '/')
    return "unix://" + std::string{runtime} + "/vivarium.sock";
  auto directory = "/tmp/vivarium-" + std::to_string(::geteuid());
  if (auto ok = own_directory(directory); !ok)
    return std::move(ok).why();
  return "unix://" + directory + "/vivarium.sock";
}

} // namespace vivarium
