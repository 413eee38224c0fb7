// SPDX-License-Identifier: Apache-2.0
#include "proto/ids.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

#include <sys/random.h>

namespace vivarium {

namespace {

constexpr std::string_view prefix_of(id_kind kind) noexcept {
  switch (kind) {
    case id_kind::session: return "ses_";
    case id_kind::execution: return "exe_";
    case id_kind::request: return "req_";
    case id_kind::name_space: return "ns_";
    case id_kind::mailbox: return "box_";
    case id_kind::app: return "app_";
  }
  return "";
}

// One system call fills many ids: an id is made for every evaluation.
class random_pool {
public:
  std::array<std::uint8_t, 16> take() {
    if (next_ + 16 > bytes_.size())
      refill();
    std::array<std::uint8_t, 16> out;
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(next_), 16, out.begin());
    // A byte that became an id must not be found in memory as the start of a later one.
    std::fill_n(bytes_.begin() + static_cast<std::ptrdiff_t>(next_), 16, std::uint8_t{0});
    next_ += 16;
    return out;
  }

private:
  void refill() {
    std::size_t have = 0;
    while (have < bytes_.size()) {
      auto n = ::getrandom(bytes_.data() + have, bytes_.size() - have, 0);
      if (n > 0)
        have += static_cast<std::size_t>(n);
      else if (errno != EINTR)
        std::abort(); // Without randomness ids would be guessable: there is no safe way on.
    }
    next_ = 0;
  }

  std::array<std::uint8_t, 4096> bytes_{};
  std::size_t next_ = sizeof(bytes_);
};

void append_random(std::string& out) {
  static constexpr std::string_view alphabet = "abcdefghijklmnopqrstuvwxyz234567";
  auto bytes = random_bytes();
  std::uint32_t bits = 0;
  int held = 0;
  for (auto byte : bytes) {
    bits = (bits << 8) | byte;
    held += 8;
    while (held >= 5) {
      held -= 5;
      out += alphabet[(bits >> held) & 31];
    }
  }
  if (held > 0)
    out += alphabet[(bits << (5 - held)) & 31];
}

} // namespace

std::string make_id(id_kind kind) {
  std::string out;
  out.reserve(32);
  out += prefix_of(kind);
  out += '0';
  append_random(out);
  return out;
}

std::array<std::uint8_t, 16> random_bytes() {
  thread_local random_pool pool;
  return pool.take();
}

std::string random_text() {
  std::string out;
  append_random(out);
  return out;
}

bool looks_like_id(id_kind kind, std::string_view text) noexcept {
  return text.starts_with(prefix_of(kind));
}

status check_name(std::string_view name) {
  auto plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  bool ok = !name.empty() && name.size() <= 63 && plain(name.front())
            && std::all_of(name.begin(), name.end(), [&](char c) { return plain(c) || c == '-'; });
  if (!ok)
    return error{errc::invalid_argument,
                 "a name is 1 to 63 characters of a-z, 0-9 and '-', and does not start with '-'"};
  return done{};
}

} // namespace vivarium
