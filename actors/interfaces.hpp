// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/code_store.hpp"
#include "actors/messages.hpp"

#include <caf/fwd.hpp>
#include <caf/replies_to.hpp>
#include <caf/typed_actor.hpp>

namespace vivarium {

// Every actor of the daemon and every message it takes. Answers travel through `reply` objects, so
// no handler waits for another actor.

/// Whoever runs executions for a tenant: a session, or a pool of sessions.
using runner_actor = caf::typed_actor<
    // Queues an execution, which is run in its turn, or refuses it.
    caf::reacts_to<atom::run, execution_ptr, reply<execution_ptr>>,
    // Stops an execution, queued or running; answers whether there was something to stop.
    caf::reacts_to<atom::cancel, execution_ptr, stop_mode, reply<bool>>,
    // Orders a round of a stream; 0 ends it.
    caf::reacts_to<atom::pull, execution_ptr, std::uint64_t>>;

/// The interpreter actor: one live session, its worker and its queue.
using session_actor = caf::typed_actor<
    // Queues an execution, which is run in its turn, or refuses it.
    caf::reacts_to<atom::run, execution_ptr, reply<execution_ptr>>,
    // Stops an execution, queued or running; answers whether there was something to stop.
    caf::reacts_to<atom::cancel, execution_ptr, stop_mode, reply<bool>>,
    // Orders a round of a stream; 0 ends it.
    caf::reacts_to<atom::pull, execution_ptr, std::uint64_t>,
    // Passes on more of a request to an application.
    caf::reacts_to<atom::feed, execution_ptr, app_feed>,
    // Tells how the session stands: now, or (true) once it has started or failed to.
    caf::reacts_to<atom::describe, bool, reply<session_info>>,
    // Makes a namespace.
    caf::reacts_to<atom::create, namespace_request, reply<namespace_info>>,
    // Ends a namespace, after what was submitted before.
    caf::reacts_to<atom::destroy, std::string, reply<done>>,
    // Lists the namespaces.
    caf::reacts_to<atom::list, reply<std::vector<namespace_info>>>,
    // Tells the memory of the worker.
    caf::reacts_to<atom::memory, reply<worker_memory>>,
    // A connection is gone: what it owned ends.
    caf::reacts_to<atom::disown, std::uint64_t>,
    // Gives its files, once it has started.
    caf::reacts_to<atom::files, reply<session_files_ptr>>,
    // Writes its copy of a volume back; with true also over what others wrote since.
    caf::reacts_to<atom::commit, std::string, bool, reply<volume_info>>,
    // Something beside the reactor is done.
    caf::reacts_to<atom::resume, session_step>,
    // Ends the session; answered at once, its processes are killed meanwhile.
    caf::reacts_to<atom::close, reply<done>>,
    // The same after its volumes are written back.
    caf::reacts_to<atom::commit, reply<done>>,
    // The same by an administrator: in that order, or at once.
    caf::reacts_to<atom::close, stop_mode, reply<done>>,
    // The pool hands over a worker.
    caf::reacts_to<atom::granted, worker_ptr>,
    // The pool cannot give a worker.
    caf::reacts_to<atom::refused, error>,
    // The worker's files have their size; 0, or the errno why not.
    caf::reacts_to<atom::resized, int>,
    // The worker is in its control group, the folder; or why not.
    caf::reacts_to<atom::placed, std::string, error>,
    // The worker is over a limit that only looking can enforce.
    caf::reacts_to<atom::beyond, cause>,
    // The application has answered a call, by its number in the worker.
    caf::reacts_to<atom::answered, std::uint64_t, function_answer>,
    // A message waits in the session's mailbox.
    caf::reacts_to<atom::mail>,
    // The worker's answer pipe has something to read.
    caf::reacts_to<atom::input>,
    // The worker's request pipe takes bytes again.
    caf::reacts_to<atom::writable>,
    // The nearest deadline has come.
    caf::reacts_to<atom::tick>,
    // The reaper's word on how the worker ended.
    caf::reacts_to<atom::exited, worker_end>,
    // Nothing of the worker is left.
    caf::reacts_to<atom::gone, std::uint64_t>>;

} // namespace vivarium

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::session_actor)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(vivarium::reply<vivarium::session_actor>)

namespace vivarium {

/// Equal sessions under one name, for calls that need no state. What it has in common with a
/// session is what a tenant needs to run something.
using session_pool_actor = caf::typed_actor<
    // Gives an execution to a session that is free, has it wait for one, or refuses it.
    caf::reacts_to<atom::run, execution_ptr, reply<execution_ptr>>,
    // Stops an execution, waiting or running; answers whether there was something to stop.
    caf::reacts_to<atom::cancel, execution_ptr, stop_mode, reply<bool>>,
    // Orders a round of a stream; 0 ends it.
    caf::reacts_to<atom::pull, execution_ptr, std::uint64_t>,
    // Tells how it stands.
    caf::reacts_to<atom::describe, reply<session_pool_info>>,
    // Ends it: what waits is refused, its sessions are closed.
    caf::reacts_to<atom::close>,
    // The tenant has made the session of that number.
    caf::reacts_to<atom::granted, std::uint64_t, session_actor>,
    // The session of that number could not be made, or did not start.
    caf::reacts_to<atom::refused, std::uint64_t, error>,
    // The session of that number is ready.
    caf::reacts_to<atom::greeted, std::uint64_t>,
    // The session of that number was dead when it was given that execution.
    caf::reacts_to<atom::gone, std::uint64_t, execution_ptr>,
    // The execution that the session of that number had has ended.
    caf::reacts_to<atom::ended, std::uint64_t, execution_ptr>,
    // Time to look at deadlines and restarts.
    caf::reacts_to<atom::tick>,
    // No more executions come; its sessions end when those that it has are through.
    caf::reacts_to<atom::drain>>;

/// The workers of one environment and trust group: owns its jail, keeps sealed workers ready.
using pool_actor = caf::typed_actor<
    // Gives the session of that tenant a worker, now or when one is ready and it is its turn.
    caf::reacts_to<atom::acquire, session_actor, std::string>,
    // The session does not want a worker any more.
    caf::reacts_to<atom::cancel, session_actor>,
    // Kills a worker and all of its processes; `gone` follows.
    caf::reacts_to<atom::release, std::uint64_t>,
    // Gives a worker's files a size in bytes and inodes; `resized` follows.
    caf::reacts_to<atom::resize, std::uint64_t, std::uint64_t, std::uint32_t>,
    // Sends the soft interrupt for an execution number to a worker.
    caf::reacts_to<atom::interrupt, std::uint64_t, std::uint64_t>,
    // The jail's control socket has something to read.
    caf::reacts_to<atom::input>,
    // A greeting of that worker may be there to be read.
    caf::reacts_to<atom::input, std::uint64_t>,
    // Time to look at the next of those that have greeted.
    caf::reacts_to<atom::greeted>,
    // Time to look at refill, age and restarts.
    caf::reacts_to<atom::tick>,
    // No more workers are wanted; idle ones end.
    caf::reacts_to<atom::drain>,
    // Its environment is not there any more: it ends with the last session that has a worker of it.
    caf::reacts_to<atom::close>,
    // Starts another zygote and ends the workers that no session has; answers how many those were.
    caf::reacts_to<atom::recycle, reply<std::uint64_t>>>;

/// One client application: its sessions, its executions, its quotas.
using tenant_actor = caf::typed_actor<
    // Places source in a session and answers with the execution.
    caf::reacts_to<atom::submit, submission, reply<execution_ptr>>,
    // Checks source and answers with a handle.
    caf::reacts_to<atom::compile, submission, reply<compiled>>,
    // Source has been checked: keeps it and answers with its handle.
    caf::reacts_to<atom::compile, code_store::code, reply<compiled>>,
    // Finds an execution by id.
    caf::reacts_to<atom::find, std::string, reply<execution_ptr>>,
    // Stops an execution by id.
    caf::reacts_to<atom::cancel, std::string, reply<bool>>,
    // Orders a round of a stream; 0 ends it.
    caf::reacts_to<atom::pull, execution_ptr, std::uint64_t>,
    // Passes on more of a request to an application.
    caf::reacts_to<atom::feed, execution_ptr, app_feed>,
    // Makes a namespace in a session.
    caf::reacts_to<atom::create, namespace_request, reply<namespace_info>>,
    // Ends a namespace of a session.
    caf::reacts_to<atom::destroy, std::string, std::string, reply<done>>,
    // Lists the namespaces of a session.
    caf::reacts_to<atom::list, std::string, reply<std::vector<namespace_info>>>,
    // Tells the memory of a session's worker.
    caf::reacts_to<atom::memory, std::string, reply<worker_memory>>,
    // A connection is gone: what it owned ends.
    caf::reacts_to<atom::disown, std::uint64_t>,
    // Applies what is to happen when a waiting client has gone.
    caf::reacts_to<atom::release, execution_ptr>,
    // Lists executions of a session, or of all.
    caf::reacts_to<atom::list, std::string, reply<std::vector<execution_info>>>,
    // Creates a session.
    caf::reacts_to<atom::create, session_request, reply<session_info>>,
    // Creates a session for a pool of them.
    caf::reacts_to<atom::create, session_request, reply<session_actor>>,
    // Tells how a session stands.
    caf::reacts_to<atom::describe, std::string, reply<session_info>>,
    // Lists the live sessions.
    caf::reacts_to<atom::list, reply<std::vector<session_info>>>,
    // Ends a session; true: without writing its volumes back.
    caf::reacts_to<atom::close, std::string, bool, reply<done>>,
    // Gives the files of a session.
    caf::reacts_to<atom::files, std::string, reply<session_files_ptr>>,
    // Writes a session's copy of a volume back.
    caf::reacts_to<atom::commit, std::string, std::string, bool, reply<volume_info>>,
    // A session ended, and why.
    caf::reacts_to<atom::ended, session_info>,
    // An execution ended that holds many bytes.
    caf::reacts_to<atom::ended, execution_ptr>,
    // Drops what has been kept for its time.
    caf::reacts_to<atom::tick>,
    // What administrators see: a part of the sessions, of the executions, hidden ones among them.
    caf::reacts_to<atom::list, overview_part, reply<std::vector<session_overview>>>,
    caf::reacts_to<atom::list, overview_part, reply<std::vector<execution_overview>>>,
    // What they do: stops an execution by id; ends a session by id or name.
    caf::reacts_to<atom::cancel, std::string, stop_mode, reply<bool>>,
    caf::reacts_to<atom::close, std::string, stop_mode, reply<done>>,
    // Refuses new work; calls back when the last session is gone, killing what runs past the
    // deadline.
    caf::reacts_to<atom::drain, clock_type::time_point, std::function<void()>>>;

/// Watches pools and tenants and has them restarted when they fail.
using supervisor_actor = caf::typed_actor<
    // Watches a child; when it fails, the function makes its successor.
    caf::reacts_to<atom::watch, std::string, caf::actor, std::function<caf::actor()>>>;

} // namespace vivarium

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::function<caf::actor()>)
