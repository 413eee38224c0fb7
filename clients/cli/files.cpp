// SPDX-License-Identifier: Apache-2.0

// Commands on the files of a session.

#include "clients/cli/commands.hpp"
#include "clients/cli/printable.hpp"
#include "clients/cli/show.hpp"

#include <vivarium/client.hpp>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>
#include <system_error>

#include <unistd.h>

namespace vivarium::cli {

namespace {

constexpr std::size_t piece_bytes = 1u << 20;

struct closer {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using file_ptr = std::unique_ptr<std::FILE, closer>;

[[noreturn]] void fail(const std::string& what, const std::string& path) {
  throw invalid_argument_error{"cannot " + what + " " + path + ": "
                               + std::generic_category().message(errno)};
}

bool is_stream(const std::string& name) {
  return name.empty() || name == "-";
}

/// A connection, and the files of the session that is meant.
struct file_access {
  explicit file_access(const file_request& how)
      : on{client::connect(how.server)}, files{on.use_session(how.session).files()} {}
  client on;
  session_files files;
};

const char* letter_of(file_type type) {
  switch (type) {
    case file_type::directory: return "d";
    case file_type::link: return "l";
    case file_type::file: return "-";
    default: return "?";
  }
}

void show(const file_info& what) {
  const auto when = std::chrono::system_clock::to_time_t(what.modified);
  std::tm parts{};
  ::gmtime_r(&when, &parts);
  char time[32];
  std::strftime(time, sizeof(time), "%Y-%m-%d %H:%M:%S", &parts);
  std::string line = what.path.empty() ? "." : what.path;
  if (what.type == file_type::link)
    line += " -> " + what.target;
  std::printf("%s %04o  %12llu  %s  %s\n", letter_of(what.type), what.mode,
              static_cast<unsigned long long>(what.size), time, printable(line).c_str());
}

} // namespace

int put_command(const file_request& how) {
  file_ptr opened;
  std::FILE* from = stdin;
  if (!is_stream(how.other)) {
    opened.reset(std::fopen(how.other.c_str(), "rbe"));
    if (!opened)
      fail("read", how.other);
    from = opened.get();
  }
  const file_access at{how};
  at.files.put(how.path, [&] {
    std::string piece(piece_bytes, '\0');
    piece.resize(std::fread(piece.data(), 1, piece.size(), from));
    if (piece.empty() && std::ferror(from) != 0)
      fail("read", is_stream(how.other) ? "stdin" : how.other);
    return piece;
  });
  return exit_ok;
}

int get_command(const file_request& how) {
  const file_access at{how};
  file_ptr opened;
  std::FILE* to = stdout;
  // Under another name until it is whole.
  const auto beside = how.other + ".part";
  if (!is_stream(how.other)) {
    opened.reset(std::fopen(beside.c_str(), "wbe"));
    if (!opened)
      fail("write", beside);
    to = opened.get();
  }
  auto write = [&](std::string_view piece) {
    if (std::fwrite(piece.data(), 1, piece.size(), to) != piece.size())
      fail("write", is_stream(how.other) ? "stdout" : beside);
  };
  try {
    at.files.get(how.path, write);
    if (std::fflush(to) != 0)
      fail("write", is_stream(how.other) ? "stdout" : beside);
  } catch (...) {
    if (opened)
      ::unlink(beside.c_str());
    throw;
  }
  if (opened && std::rename(beside.c_str(), how.other.c_str()) != 0)
    fail("write", how.other);
  return exit_ok;
}

int list_command(const file_request& how) {
  const file_access at{how};
  for (const auto& each : at.files.list(how.path, how.recursive))
    show(each);
  return exit_ok;
}

int stat_command(const file_request& how) {
  show(file_access{how}.files.stat(how.path));
  return exit_ok;
}

int move_command(const file_request& how) {
  file_access{how}.files.move(how.path, how.other, how.replace);
  return exit_ok;
}

int remove_command(const file_request& how) {
  file_access{how}.files.remove(how.path, how.recursive);
  return exit_ok;
}

} // namespace vivarium::cli
