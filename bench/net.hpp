// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

// What floor and load share: blocking sockets, a clock and the arithmetic of samples. A benchmark
// that meets an error has nothing to report: everything here ends the program instead of failing.

/// Prints what went wrong and exits with 1.
[[noreturn]] void die(std::string_view what);
/// Like `die`, with the text of `errno`.
[[noreturn]] void die_errno(std::string_view what);

/// Nanoseconds of the monotonic clock.
[[nodiscard]] std::int64_t now_ns();

/// A connected stream socket: TCP on loopback with TCP_NODELAY, or Unix.
[[nodiscard]] int connect_tcp(std::uint16_t port);
[[nodiscard]] int connect_unix(const std::string& path);

/// Writes all of it, blocking.
void write_all(int fd, std::string_view bytes);
/// Reads some, blocking; appends to `into` and returns how much. The end of the stream is an error.
std::size_t read_some(int fd, std::string& into);
/// Reads up to `n` bytes, blocking; returns how many. The end of the stream is an error.
std::size_t read_up_to(int fd, char* into, std::size_t n);
/// Reads exactly `n` bytes.
void read_exactly(int fd, char* into, std::size_t n);

/// The sample at `p` of 0 to 1, by nearest rank; sorts.
[[nodiscard]] double percentile(std::vector<double>& samples, double p);

/// One line of JSON on stdout: the row's name, then numbers in the order given.
class figures {
public:
  explicit figures(std::string_view row);
  figures& add(std::string_view name, double value);
  /// Adds p50, p99 and the count of samples.
  figures& add_samples(std::vector<double>& samples);
  void print() const;

private:
  std::string text_;
};

} // namespace bench
