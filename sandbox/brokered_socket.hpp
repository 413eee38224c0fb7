// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "proto/unique_fd.hpp"
#include "sandbox/ip_address.hpp"
#include "sandbox/listener.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include <sys/types.h>

namespace vivarium::sandbox {

// A worker's connection to the outside. Its `connect` stands still at the seccomp listener; the
// daemon copies what it asks for, decides on the copy, connects a socket of its own, and puts that
// in the place of the worker's. Only a connected socket ever reaches a worker: one that is not
// belongs to the host's network too, and could be aimed anywhere. Nothing here blocks.

/// What a worker wants connected; a copy, which it cannot change any more.
struct connect_order {
  caught_call call;
  pid_t process = 0;  ///< Whose descriptor it is.
  int descriptor = 0; ///< Its number there.
  bool close_on_exec = false;
  int family = 0; ///< Of the worker's socket, e.g. AF_INET.
  uid_t user = 0; ///< Whose process it is, for the daemon; known when it was looked up.
  gid_t group = 0;
  unique_fd original; ///< The worker's socket, shared with it: for its options.
  endpoint target;
};

/// The process that calls most likely come from the main thread of. What is known of it need not be
/// looked up for each call.
struct likely_caller {
  pid_t process = 0;
  /// Without another program nobody can tell whether a descriptor would be closed for it.
  bool runs_programs = true;
  unique_fd handle = {}; ///< Kept from its first call on.
};

/// What a socket of this network has that nobody has set anything of.
struct fresh_options {
  static constexpr std::size_t count = 11;
  std::array<int, count> four{}; ///< Of AF_INET.
  std::array<int, count> six{};  ///< Of AF_INET6.
};
[[nodiscard]] fresh_options look_at_fresh_options() noexcept;

/// Copies the address of a `connect`; returns 0, or the errno to answer.
int copy_address(const caught_call& call, sockaddr_storage& out) noexcept;
/// Takes a duplicate of the descriptor in the first argument, and what is to know of it; `target`
/// is not set. Returns 0, or the errno to answer; ESRCH: the caller is gone.
int read_descriptor(int listener, const caught_call& call, likely_caller& likely,
                    connect_order& out) noexcept;
/// Copies the arguments of a `connect`. Returns 0, or the errno to answer: EACCES for what is no
/// TCP connection (another family, AF_UNSPEC), and what the kernel would
/// answer to nonsense. ESRCH: the caller is gone.
int read_connect(int listener, const caught_call& call, likely_caller& likely,
                 connect_order& out) noexcept;

/// Makes a non-blocking socket with the options of the worker's and begins to connect it. Nothing:
/// it failed at once, with that errno.
unique_fd begin_connect(const connect_order& order, const endpoint& to, const fresh_options& fresh,
                        int& errno_value) noexcept;

/// How a connection that was begun stands: 0 established, EINPROGRESS not yet, else why not.
int connect_outcome(int socket) noexcept;
/// Whether both ends of the connection have the same address: it leads to this machine.
[[nodiscard]] bool leads_here(int socket) noexcept;
/// The port that a TCP socket has on this side; 0 when it has none.
[[nodiscard]] std::uint16_t local_port(int socket) noexcept;

/// Puts the socket into the place of the worker's descriptor, blocking or not as the worker's was,
/// and lets its call return 0. Returns 0, or an errno when the worker does not wait any more.
int inject(int listener, const connect_order& order, int socket) noexcept;

/// What has gone through a connection, as the kernel counts it.
struct traffic {
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
};
traffic traffic_of(int socket) noexcept;

/// Number of a socket, by which it is known in /proc; 0 when it cannot be told.
std::uint64_t inode_of(int socket) noexcept;
/// Whether a process has the socket open under that number.
bool has_socket(pid_t process, std::uint64_t inode, int number);
/// The sockets that a process has open, and a number of each.
std::map<std::uint64_t, int> sockets_of(pid_t process);

} // namespace vivarium::sandbox
