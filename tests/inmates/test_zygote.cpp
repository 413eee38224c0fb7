// SPDX-License-Identifier: Apache-2.0
// Stands in for the zygote and its workers: no Python, and a worker that does what the test says. A
// line on the request pipe is one attack; the answer is one line, a number (negative: an errno).

#include "sandbox/zygote_link.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

using namespace vivarium::sandbox;

std::uint64_t interrupted_by = 0;

void on_interrupt(int, siginfo_t* info, void*) {
  interrupted_by = reinterpret_cast<std::uint64_t>(info->si_value.sival_ptr);
}

/// "call NUMBER ARG…": an argument is a number, "s:text" (pointer to it) or "b:" (zeroed buffer).
long any_call(std::istringstream& in) {
  static std::array<char, 65536> buffer;
  buffer.fill(0);
  std::vector<std::string> texts;
  texts.reserve(8);
  std::array<long, 7> a{};
  std::string word;
  for (auto& value : a) {
    if (!(in >> word))
      break;
    if (word.starts_with("s:")) {
      texts.push_back(word.substr(2));
      value = reinterpret_cast<long>(texts.back().c_str());
    } else if (word == "b:") {
      value = reinterpret_cast<long>(buffer.data());
    } else {
      value = static_cast<long>(std::strtoull(word.c_str(), nullptr, 0));
    }
  }
  long out = ::syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
  if ((a[0] == SYS_fork || a[0] == SYS_clone) && out == 0)
    for (;;)
      ::pause();
  return out < 0 ? -errno : out;
}

void* sleep_for_ever(void*) {
  for (;;)
    ::pause();
}

long start_threads(std::istringstream& in) {
  long wanted = 0;
  in >> wanted;
  long made = 0;
  for (; made < wanted; ++made) {
    pthread_t thread;
    if (::pthread_create(&thread, nullptr, sleep_for_ever, nullptr) != 0)
      break;
  }
  return made;
}

/// Maps and touches mebibytes until the kernel refuses; returns how many it got.
long eat_memory(std::istringstream& in) {
  long wanted = 0;
  std::string how;
  in >> wanted >> how;
  int flags = MAP_ANONYMOUS | (how == "shared" ? MAP_SHARED : MAP_PRIVATE);
  constexpr std::size_t mebibyte = 1u << 20;
  long got = 0;
  for (; got < wanted; ++got) {
    void* at = ::mmap(nullptr, mebibyte, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (at == MAP_FAILED)
      break;
    std::memset(at, 1, mebibyte);
  }
  return got;
}

/// Writes mebibytes to files of 8 MiB each; returns how many fitted.
long fill_disk(std::istringstream& in) {
  long wanted = 0;
  in >> wanted;
  std::vector<char> block(1u << 20, 'x');
  long written = 0;
  for (int file = 0; written < wanted; ++file) {
    int fd = ::open(("fill" + std::to_string(file)).c_str(), O_WRONLY | O_CREAT, 0600);
    if (fd < 0)
      return written;
    for (int i = 0; i < 8 && written < wanted; ++i, ++written)
      if (::write(fd, block.data(), block.size()) != static_cast<ssize_t>(block.size())) {
        ::close(fd);
        return written;
      }
    ::close(fd);
  }
  return written;
}

long make_files(std::istringstream& in) {
  long wanted = 0;
  in >> wanted;
  long made = 0;
  for (; made < wanted; ++made) {
    int fd = ::open(("n" + std::to_string(made)).c_str(), O_WRONLY | O_CREAT, 0600);
    if (fd < 0)
      break;
    ::close(fd);
  }
  return made;
}

long open_many(std::istringstream& in) {
  long wanted = 0;
  in >> wanted;
  std::vector<int> fds;
  while (static_cast<long>(fds.size()) < wanted) {
    int fd = ::open("/dev/null", O_RDONLY);
    if (fd < 0)
      break;
    fds.push_back(fd);
  }
  for (int fd : fds)
    ::close(fd);
  return static_cast<long>(fds.size());
}

/// Sums up the open descriptors as bits.
long open_descriptors() {
  long bits = 0;
  for (int fd = 0; fd < 60; ++fd)
    if (::fcntl(fd, F_GETFD) >= 0)
      bits |= 1l << fd;
  return bits;
}

long count_entries(std::istringstream& in) {
  std::string path;
  in >> path;
  auto* folder = ::opendir(path.c_str());
  if (!folder)
    return -errno;
  long count = -2;
  while (::readdir(folder))
    ++count;
  ::closedir(folder);
  return count;
}

/// Connects to a port of 127.0.0.1.
long connect_to(std::istringstream& in) {
  int port = 0;
  in >> port;
  int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(static_cast<std::uint16_t>(port));
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  long out = ::connect(fd, reinterpret_cast<sockaddr*>(&where), sizeof(where)) == 0 ? 0 : -errno;
  ::close(fd);
  return out;
}

long fork_bomb(std::istringstream& in) {
  long wanted = 0;
  in >> wanted;
  long made = 0;
  for (; made < wanted; ++made) {
    long pid = ::syscall(SYS_fork);
    if (pid < 0)
      break;
    if (pid == 0)
      for (;;)
        ::pause();
  }
  return made;
}

long call_by_int80() {
  long out = 0;
  asm volatile("int $0x80" : "=a"(out) : "a"(20L) : "memory"); // getpid of the 32-bit table
  return out;
}

long crash() {
  ::raise(SIGSEGV);
  return 0;
}

long last_interrupt() {
  return static_cast<long>(interrupted_by);
}

long answer(const std::string& line) {
  std::istringstream in{line};
  std::string what;
  in >> what;
  if (what == "echo") {
    long value = 0;
    in >> value;
    return value;
  }
  if (what == "exit") {
    int code = 0;
    in >> code;
    std::exit(code);
  }
  static const std::map<std::string, long (*)(std::istringstream&)> with_words{
      {"call", any_call},      {"threads", start_threads}, {"memory", eat_memory},
      {"disk", fill_disk},     {"files", make_files},      {"open", open_many},
      {"list", count_entries}, {"fork", fork_bomb},        {"connect", connect_to}};
  if (auto at = with_words.find(what); at != with_words.end())
    return at->second(in);
  static const std::map<std::string, long (*)()> plain{{"fds", open_descriptors},
                                                       {"int80", call_by_int80},
                                                       {"crash", crash},
                                                       {"interrupted", last_interrupt}};
  if (auto at = plain.find(what); at != plain.end())
    return at->second();
  return -ENOSYS;
}

void serve_as_worker() {
  struct sigaction action {};
  action.sa_sigaction = on_interrupt;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  ::sigaction(interrupt_signal(), &action, nullptr);
  std::string line;
  char c = 0;
  while (::read(worker_requests_fd, &c, 1) == 1) {
    if (c != '\n') {
      line += c;
      continue;
    }
    auto text = std::to_string(answer(line)) + "\n";
    if (::write(worker_answers_fd, text.data(), text.size()) < 0)
      std::_Exit(3);
    line.clear();
  }
  std::_Exit(0);
}

} // namespace

int main() {
  auto link = zygote_link::adopt();
  if (!link)
    return 2;
  bool mute = false;
  for (const auto& name : link->preload()) {
    if (name == "hang")
      sleep_for_ever(nullptr);
    if (name == "mute")
      mute = true;
    if (name == "crash")
      ::abort();
    if (name == "complain") {
      std::fputs("words on stderr\n", stderr);
      return 4;
    }
    if (name == "missing") {
      link->report_failure("no module named 'missing'");
      return 5;
    }
    if (name == "threads")
      std::thread{[] { sleep_for_ever(nullptr); }}.detach();
  }
  if (auto open = link->open_for_business(); !open) {
    link->report_failure(open.why().detail);
    return 6;
  }
  while (auto order = link->next_order()) {
    auto pid = link->fork_worker(*order);
    if (pid && *pid == 0) {
      if (mute)
        std::_Exit(0);
      serve_as_worker();
    }
  }
  return 0;
}
