// SPDX-License-Identifier: Apache-2.0
#include "daemon/listener.hpp"

#include <cerrno>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace vivarium {

namespace asio = boost::asio;

namespace {

constexpr int backlog = 1'024;
constexpr std::chrono::milliseconds accept_pause{100};

error in_use(const std::string& name) {
  return {errc::already_exists, name
                                    + " is in use: does another vivariumd run? Choose another "
                                      "address with --listen or server.listen"};
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  path.copy(out.sun_path, sizeof(out.sun_path) - 1);
  return out;
}

bool somebody_listens(const sockaddr_un& address) {
  unique_fd probe{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  // EAGAIN: the queue of a living listener is full.
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0
         || errno == EAGAIN;
}

/// Removes the socket of a daemon that is dead. Refuses when it lives, or when it is no socket.
status clear_path(const std::string& path, const sockaddr_un& address) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0)
    return errno == ENOENT ? status{done{}} : status{os_error("lstat", path, errno)};
  if (!S_ISSOCK(info.st_mode))
    return error{errc::already_exists, path + " exists and is not a socket"};
  if (somebody_listens(address))
    return in_use("unix://" + path);
  if (::unlink(path.c_str()) != 0 && errno != ENOENT)
    return os_error("unlink", path, errno);
  return done{};
}

} // namespace

listener::listener(asio::io_context& reactor, listen_address where,
                   std::shared_ptr<asio::ssl::context> tls)
    : where_{std::move(where)}, tls_{std::move(tls)}, acceptor_{reactor}, pause_{reactor} {}

listener::~listener() {
  stop();
}

result<std::unique_ptr<listener>> listener::open(asio::io_context& reactor,
                                                 const listen_address& where, unsigned socket_mode,
                                                 std::shared_ptr<asio::ssl::context> tls) {
  std::unique_ptr<listener> made{new listener{reactor, where, std::move(tls)}};
  auto ok =
      where.what == listen_address::kind::local ? made->bind_local(socket_mode) : made->bind_tcp();
  if (!ok)
    return std::move(ok).why();
  return made;
}

status listener::take_over(int family, unique_fd socket) {
  if (::listen(socket.get(), backlog) != 0)
    return errno == EADDRINUSE ? status{in_use(where_.text)}
                               : status{os_error("listen", where_.text, errno)};
  error_code why;
  acceptor_.assign(asio::generic::stream_protocol{family, 0}, socket.get(), why);
  if (why)
    return error{errc::os_failure, "listen " + where_.text + ": " + why.message()};
  static_cast<void>(socket.release());
  return done{};
}

status listener::bind_tcp() {
  const auto& wanted = where_.tcp;
  int family = wanted.protocol().family();
  unique_fd socket{::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket)
    return os_error("socket", where_.text, errno);
  int one = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  if (::bind(socket.get(), wanted.data(), static_cast<socklen_t>(wanted.size())) != 0)
    return errno == EADDRINUSE ? status{in_use(where_.text)}
                               : status{os_error("bind", where_.text, errno)};
  asio::ip::tcp::endpoint bound = wanted;
  auto size = static_cast<socklen_t>(bound.capacity());
  if (::getsockname(socket.get(), bound.data(), &size) != 0)
    return os_error("getsockname", where_.text, errno);
  port_ = bound.port();
  auto host = bound.address().is_v6() ? "[" + bound.address().to_string() + "]"
                                      : bound.address().to_string();
  name_ = (where_.what == listen_address::kind::tls ? "https://" : "http://") + host + ":"
          + std::to_string(port_);
  return take_over(family, std::move(socket));
}

status listener::bind_local(unsigned mode) {
  auto address = address_of(where_.path);
  if (auto ok = clear_path(where_.path, address); !ok)
    return ok;
  unique_fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket)
    return os_error("socket", where_.path, errno);
  // The mode must be right from the first moment on: a socket that is open to all for a microsecond
  // can be connected to in it.
  auto before = ::umask(~mode & 0777);
  int rc = ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  int why = errno;
  ::umask(before);
  if (rc != 0)
    return why == EADDRINUSE ? status{in_use(where_.text)}
                             : status{os_error("bind", where_.path, why)};
  owns_path_ = true;
  name_ = where_.text;
  return take_over(AF_UNIX, std::move(socket));
}

void listener::start(accepted each, failed none) {
  each_ = std::move(each);
  none_ = std::move(none);
  accept();
}

void listener::accept() {
  acceptor_.async_accept([this](error_code why, stream_socket socket) {
    if (why == asio::error::operation_aborted || !acceptor_.is_open())
      return;
    if (why) {
      none_(why);
      // Out of descriptors, most likely: asking again at once would spin until one is free.
      pause_.expires_after(accept_pause);
      pause_.async_wait([this](error_code stopped) {
        if (!stopped)
          accept();
      });
      return;
    }
    if (where_.what != listen_address::kind::local) {
      error_code ignored;
      socket.set_option(asio::ip::tcp::no_delay{true}, ignored);
    }
    each_(tls_ && where_.what == listen_address::kind::tls
              ? make_tls_transport(std::move(socket), *tls_)
              : make_plain_transport(std::move(socket)));
    accept();
  });
}

void listener::stop() {
  error_code ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  if (std::exchange(owns_path_, false))
    ::unlink(where_.path.c_str());
}

} // namespace vivarium
