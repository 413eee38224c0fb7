// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vivarium/client.hpp>

#include <chrono>
#include <string>
#include <vector>

namespace vivarium::cli {

/// What the commands that run something were asked for.
struct run_request {
  std::string server;  ///< URL; empty for the usual place.
  std::string session; ///< Name or id; empty for a session that ends with the command.
  std::string pool;    ///< Session pool, instead of a session.
  std::string key;     ///< Of what belongs together in a pool.
  std::string space;   ///< Namespace of the session; empty for its base one.
  std::string environment;
  std::string egress;    ///< Of a session that is made; empty for none.
  bool store = false;    ///< Whether a session that is made has the tenant's store.
  std::string database;  ///< Of a session that is made: name or URL; empty for none.
  bool children = false; ///< Whether a session that is made may have processes.
  std::chrono::milliseconds timeout{0};
  std::chrono::milliseconds cpu{0};
  std::vector<std::string> variables; ///< Each NAME=JSON.
  std::vector<std::string> limits;    ///< Of a session that is made; each NAME=VALUE.
  std::vector<std::string> functions; ///< Offered meanwhile; see `offer`.
  std::vector<std::string> modules;   ///< Of a session that is made; see `parse_module`.
  std::string log_level;              ///< Of a session that is made; see `parse_level`.
  std::string within;                 ///< Call of the session's that this is part of answering.
  bool json = false;
  bool detach = false; ///< Nobody will wait for what is started.
};

/// The session that a command asks for by more than a request can say: made for as long as the
/// connection, or by its name on first use.
[[nodiscard]] session special_session(const client& on, const run_request& how);

// Each command returns the status to end with, or throws what `show_failure` takes.

/// Evaluates `source`, or what stdin holds when it is "-".
int eval_command(const run_request& how, const std::string& source);
/// Runs a file as a program, showing its output as it comes; "-" is stdin.
int run_command(const run_request& how, const std::string& file);
/// Calls a function; each argument is JSON.
int call_command(const run_request& how, const std::string& module, const std::string& name,
                 const std::vector<std::string>& arguments);
/// Writes the items of a value, one in a line, as they come.
int stream_command(const run_request& how, const std::string& source);
/// Reads, evaluates and prints until the end of input.
int repl_command(const run_request& how);
/// Submits source and prints the id of its execution, which goes on without the command.
int start_command(const run_request& how, const std::string& source);
/// Waits for an execution, at most `how.timeout`, and shows it as `eval` would have.
int wait_command(const run_request& how, const std::string& execution);
int cancel_command(const std::string& server, const std::string& execution);
/// Lists the executions that run or are kept.
int jobs_command(const run_request& how);
int pools_command(const std::string& server);

/// What a web application is to be, beside its code.
struct app_request {
  std::string name;
  std::string host;
  std::uint32_t workers = 1;
  bool everybody = false;
};
/// Boots an application from FILE.py or MODULE, each with :NAME or without; prints its path.
int app_boot_command(const run_request& how, const std::string& what, const app_request& wish);
int app_list_command(const std::string& server);
/// Prints where an application is served.
int app_url_command(const std::string& server, const std::string& app);
int app_close_command(const std::string& server, const std::string& app);

/// Sends a message, JSON, to a session or to who receives.
int send_command(const std::string& server, const std::string& to, const std::string& content);
/// Writes the messages that come under a name, one in a line, until it is interrupted.
int receive_command(const std::string& server, const std::string& name);
/// What the commands on the files of a session were asked for.
struct file_request {
  std::string server;
  std::string session;
  std::string path;  ///< In the session's workspace; also what is moved.
  std::string other; ///< A file outside, "-" for stdin and stdout; or where it is moved to.
  bool recursive = false;
  bool replace = false;
};

/// Writes a file of the caller's, or stdin, into a session.
int put_command(const file_request& how);
/// Writes a file of a session to one of the caller's, or stdout.
int get_command(const file_request& how);
int list_command(const file_request& how);
int stat_command(const file_request& how);
int move_command(const file_request& how);
int remove_command(const file_request& how);
/// Gets, sets, deletes or lists what the tenant's key-value store has.
int store_command(const std::string& server, const std::string& order, const std::string& key,
                  const std::string& json);
int sessions_command(const std::string& server);
int namespaces_command(const std::string& server, const std::string& session);
int close_command(const std::string& server, const std::string& session);
int health_command(const std::string& server);

} // namespace vivarium::cli
