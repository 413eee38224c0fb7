// SPDX-License-Identifier: Apache-2.0
// The floor and the reference of every benchmark: TCP client -> relay (epoll) -> Unix socket ->
// worker and back, 100-byte messages. With an echoing worker it is the least that two hops between
// processes can cost here; with a CPython worker it is the least that evaluating `1+1` there can.
// Several workers are what several sessions are: an interpreter each, in a process each.
#include "bench/net.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using namespace bench;

constexpr std::size_t message_size = 100;
constexpr std::size_t batch = 64 * message_size;

struct options {
  std::string worker = "echo"; ///< echo, or the path of the reference's script
  std::string python = "/usr/bin/python3";
  std::size_t connections = 1;
  std::size_t in_flight = 1; ///< per connection
  std::size_t workers = 1;
  double seconds = 2;
  std::size_t bytes = 0; ///< Above 0: one message of this size at a time, there and back.
};

/// Reads what is there and then the rest of a message that was cut; 0 at the end of the stream.
std::size_t read_whole(int fd, char* into) {
  auto n = ::read(fd, into, batch);
  if (n <= 0)
    return 0;
  auto got = static_cast<std::size_t>(n);
  if (auto rest = got % message_size) {
    read_exactly(fd, into + got, message_size - rest);
    got += message_size - rest;
  }
  return got;
}

[[noreturn]] void echo(int fd) {
  std::array<char, batch> room;
  while (auto n = read_whole(fd, room.data()))
    write_all(fd, {room.data(), n});
  ::_exit(0);
}

void watch(int epoll, int fd, std::uint32_t tag) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u32 = tag;
  if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
    die_errno("epoll_ctl");
}

/// Forwards until a client closes. The first four bytes of a message say which client it is from,
/// the next four which worker it is for.
[[noreturn]] void relay(int listener, const std::vector<int>& workers, std::size_t connections) {
  auto epoll = ::epoll_create1(EPOLL_CLOEXEC);
  std::vector<int> clients;
  constexpr std::uint32_t is_worker = 0x8000'0000;
  for (std::uint32_t i = 0; i < workers.size(); ++i)
    watch(epoll, workers[i], is_worker | i);
  for (std::size_t i = 0; i < connections; ++i) {
    auto fd = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    watch(epoll, fd, static_cast<std::uint32_t>(i));
    clients.push_back(fd);
  }
  std::array<epoll_event, 64> events;
  std::array<char, batch> room;
  // Neighbouring messages with the same destination leave in one write.
  auto forward = [&](std::size_t got, std::size_t field, const std::vector<int>& to) {
    for (std::size_t at = 0; at < got;) {
      std::uint32_t place = 0;
      std::memcpy(&place, room.data() + at + field, sizeof place);
      auto end = at + message_size;
      while (end < got && std::memcmp(room.data() + end + field, &place, sizeof place) == 0)
        end += message_size;
      write_all(to.at(place), {room.data() + at, end - at});
      at = end;
    }
  };
  for (;;) {
    auto n = ::epoll_wait(epoll, events.data(), events.size(), -1);
    for (int e = 0; e < n; ++e) {
      auto tag = events[static_cast<std::size_t>(e)].data.u32;
      bool answers = (tag & is_worker) != 0;
      auto got = read_whole(answers ? workers[tag & ~is_worker] : clients[tag], room.data());
      if (got == 0)
        ::_exit(0);
      if (answers) {
        forward(got, 0, clients);
        continue;
      }
      for (std::size_t at = 0; at < got; at += message_size)
        std::memcpy(room.data() + at, &tag, sizeof tag);
      forward(got, sizeof tag, workers);
    }
  }
}

// One large message at a time: the echo has all of it before it answers, as whoever computes with
// it must; the relay only copies.

[[noreturn]] void echo_large(int fd, std::size_t bytes) {
  std::vector<char> room(bytes);
  for (;;) {
    read_exactly(fd, room.data(), bytes);
    write_all(fd, {room.data(), bytes});
  }
}

[[noreturn]] void relay_large(int listener, int worker, std::size_t bytes) {
  constexpr std::size_t piece = 256u << 10;
  std::vector<char> room(piece);
  auto client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  auto copy = [&](int from, int to) {
    for (std::size_t left = bytes; left > 0;) {
      auto got = read_up_to(from, room.data(), std::min(left, piece));
      write_all(to, {room.data(), got});
      left -= got;
    }
  };
  for (;;) {
    pollfd waits{client, POLLIN, 0};
    char none = 0;
    ::poll(&waits, 1, -1);
    if (::recv(client, &none, 1, MSG_PEEK) <= 0)
      ::_exit(0);
    copy(client, worker);
    copy(worker, client);
  }
}

std::vector<double> exchange_large(int fd, std::size_t bytes, double seconds) {
  std::vector<char> message(bytes, 'x');
  std::vector<double> samples;
  auto end = now_ns() + static_cast<std::int64_t>(seconds * 1e9);
  for (bool warm = true; warm || now_ns() < end; warm = false) {
    auto begin = now_ns();
    write_all(fd, {message.data(), bytes});
    read_exactly(fd, message.data(), bytes);
    if (!warm)
      samples.push_back(static_cast<double>(now_ns() - begin) / 1e3);
  }
  return samples;
}

/// Runs `body` in a child that dies with this process.
template <class Body>
pid_t spawn(Body body) {
  auto pid = ::fork();
  if (pid < 0)
    die_errno("fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    body();
    ::_exit(127);
  }
  return pid;
}

/// Exchanges messages for `seconds`; appends round trips in microseconds, returns messages
/// answered.
std::size_t exchange(const std::vector<int>& fds, const options& opts, double seconds,
                     std::vector<double>& samples) {
  std::array<char, message_size> message{};
  std::memcpy(message.data() + 8, "1+1", 3);
  std::uint32_t worker = 0;
  std::vector<pollfd> polled;
  for (auto fd : fds) {
    std::string burst;
    for (std::size_t i = 0; i < opts.in_flight; ++i) {
      std::memcpy(message.data() + 4, &worker, sizeof worker);
      worker = (worker + 1) % static_cast<std::uint32_t>(opts.workers);
      burst.append(message.data(), message.size());
    }
    polled.push_back({fd, POLLIN, 0});
    write_all(fd, burst);
  }
  std::array<char, batch> room;
  std::size_t answered = 0;
  auto end = now_ns() + static_cast<std::int64_t>(seconds * 1e9);
  auto sent_at = now_ns();
  for (auto now = sent_at; now < end;) {
    // One client blocks in read as a simple client does; many need a poll.
    if (fds.size() > 1 && ::poll(polled.data(), polled.size(), -1) < 0)
      die_errno("poll");
    for (auto& p : polled) {
      if (fds.size() > 1 && p.revents == 0)
        continue;
      auto got = read_whole(p.fd, room.data());
      if (got == 0)
        die("the relay has gone");
      answered += got / message_size;
      now = now_ns();
      if (fds.size() == 1 && opts.in_flight == 1)
        samples.push_back(static_cast<double>(now - sent_at) / 1e3);
      sent_at = now;
      // The answer becomes the next question: it still says which worker it came from.
      for (std::size_t at = 0; at < got; at += message_size)
        std::memcpy(room.data() + at + 8, message.data() + 8, message_size - 8);
      write_all(p.fd, {room.data(), got});
    }
  }
  auto total = answered;
  for (auto fd : fds) // What is still in flight.
    for (std::size_t left = opts.in_flight * message_size; left > 0;)
      left -= read_whole(fd, room.data());
  return total;
}

options parse(int argc, char** argv) {
  options opts;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string_view name = argv[i];
    std::string value = argv[i + 1];
    if (name == "--worker")
      opts.worker = value;
    else if (name == "--python")
      opts.python = value;
    else if (name == "--connections")
      opts.connections = std::stoul(value);
    else if (name == "--in-flight")
      opts.in_flight = std::min(std::stoul(value), batch / message_size);
    else if (name == "--workers")
      opts.workers = std::clamp<std::size_t>(std::stoul(value), 1, batch / message_size);
    else if (name == "--seconds")
      opts.seconds = std::stod(value);
    else if (name == "--bytes")
      opts.bytes = std::stoul(value);
    else
      die("unknown option " + std::string{name});
  }
  return opts;
}

} // namespace

int main(int argc, char** argv) {
  auto opts = parse(argc, argv);
  auto listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof at;
  if (::bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0
      || ::listen(listener, 128) != 0
      || ::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &length) != 0)
    die_errno("listen");
  std::vector<int> ours;
  std::vector<pid_t> children;
  for (std::size_t i = 0; i < opts.workers; ++i) {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0)
      die_errno("socketpair");
    children.push_back(spawn([&] {
      for (auto fd : ours)
        ::close(fd);
      ::close(pair[0]);
      if (opts.bytes > 0)
        echo_large(pair[1], opts.bytes);
      if (opts.worker == "echo")
        echo(pair[1]);
      auto inherited = ::dup(pair[1]); // Without close-on-exec.
      auto fd = std::to_string(inherited);
      ::execl(opts.python.c_str(), "python3", "-I", opts.worker.c_str(), fd.c_str(), nullptr);
    }));
    ::close(pair[1]);
    ours.push_back(pair[0]);
  }
  children.push_back(spawn([&] {
    if (opts.bytes > 0)
      relay_large(listener, ours.front(), opts.bytes);
    relay(listener, ours, opts.connections);
  }));
  for (auto fd : ours)
    ::close(fd);

  std::vector<int> fds;
  for (std::size_t i = 0; i < opts.connections; ++i)
    fds.push_back(connect_tcp(ntohs(at.sin_port)));
  if (opts.bytes > 0) {
    auto samples = exchange_large(fds.front(), opts.bytes, opts.seconds);
    figures{"copy"}.add_samples(samples).print();
    for (auto child : children)
      ::kill(child, SIGKILL);
    return 0;
  }
  std::vector<double> samples;
  exchange(fds, opts, std::min(0.3, opts.seconds / 4), samples);
  samples.clear();
  auto begin = now_ns();
  auto answered = exchange(fds, opts, opts.seconds, samples);
  auto took = static_cast<double>(now_ns() - begin) / 1e9;

  figures row{opts.worker == "echo" ? "floor" : "reference"};
  row.add("per_second", static_cast<double>(answered) / took);
  if (!samples.empty())
    row.add_samples(samples);
  row.print();
  for (auto fd : fds)
    ::close(fd);
  for (auto child : children)
    ::waitpid(child, nullptr, 0);
}
