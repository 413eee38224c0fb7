// SPDX-License-Identifier: Apache-2.0
#pragma once

// What daemon, launcher, zygote and half-sealed workers say to each other: datagrams of one struct
// over SEQPACKET sockets. All speakers are ours and of one build, so it is the struct itself that
// travels; a tenant's code never holds one of these sockets.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <sys/types.h>

namespace vivarium::sandbox::control {

/// Where the parts of the jail find their descriptors after exec.
inline constexpr int control_fd = 3; ///< Launcher: the jail's control socket.
inline constexpr int life_fd = 4;    ///< Launcher: hangs up when the daemon is gone.
inline constexpr int plan_fd = 5;    ///< Launcher: the encoded plan.
inline constexpr int outer_fd = 6;   ///< Launcher inside: hangs up when its outer process is gone.
inline constexpr int proc_fd = 7;    ///< Launcher inside: the jail's proc, mounted nowhere.
inline constexpr int zygote_control_fd = 200; ///< Zygote: only workers that are ready write to it.
inline constexpr int zygote_link_fd = 201;    ///< Zygote: private socket to the launcher.
inline constexpr int zygote_plan_fd = 202;
inline constexpr int zygote_proc_fd = 203;

enum class kind : std::uint32_t {
  none = 0,
  // daemon -> launcher
  start_zygote,
  spawn, // also launcher -> zygote, with the holder's pidfd
  kill,
  interrupt,
  resize, // a worker's tmpfs
  // launcher -> daemon
  zygote_ready, // also zygote -> launcher
  zygote_ended,
  worker_failed, // also zygote or half-sealed worker -> launcher
  worker_exited, // also zygote -> launcher
  worker_gone,
  worker_resized,
  jail_failed,
  // worker -> daemon with three descriptors, then worker -> launcher with its tmpfs
  worker_ready,
  // zygote -> launcher
  worker_forked, // with the worker's pidfd
  preload_failed,
};

inline constexpr std::size_t max_text = 3072;

struct message {
  kind what = kind::none;
  std::uint32_t generation = 0;
  std::uint64_t worker = 0;
  /// interrupt: the execution's generation; resize: bytes; spawn: 1 if a session waits for it.
  std::uint64_t argument = 0;
  std::int32_t pid = 0;
  std::int32_t wait_status = 0;
  std::int32_t errno_value = 0;
  std::uint32_t uid = 0;    ///< spawn: the worker's uid inside the jail.
  std::uint32_t inodes = 0; ///< resize.
  std::uint64_t cpu_us = 0;
  std::uint64_t peak_bytes = 0;
  std::uint64_t address_space = 0; ///< worker_ready: of the fork.
  std::uint64_t data = 0;          ///< Likewise.
  std::uint32_t text_size = 0;
  char text[max_text]; // Not cleared: only its first `text_size` bytes mean something, or travel.

  // NOLINTBEGIN(cppcoreguidelines-pro-type-member-init): clearing `text` would cost each message.
  message() noexcept {}
  explicit message(kind k) noexcept : what{k} {}
  // NOLINTEND(cppcoreguidelines-pro-type-member-init)
  [[nodiscard]] std::string_view view() const noexcept { return {text, text_size}; }
  void say(std::string_view words) noexcept;
};

/// Sends one message with up to three descriptors. Returns 0 or an errno; never SIGPIPE, no
/// allocation. Blocks only if the socket does.
int send(int socket, const message& what, const int* fds = nullptr, int fd_count = 0) noexcept;

/// What `receive()` found beside the message.
struct extras {
  int fds[3] = {-1, -1, -1};
  int fd_count = 0;
  pid_t sender = 0; ///< Only where the socket has SO_PASSCRED.
};

enum class receipt { message, nothing_now, closed, broken };

/// Receives one message without blocking. Descriptors are close-on-exec and the caller's to close.
receipt receive(int socket, message& into, extras& beside) noexcept;

} // namespace vivarium::sandbox::control
