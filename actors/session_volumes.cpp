// SPDX-License-Identifier: Apache-2.0

// The part of a session that has to do with its files: what is in its workspace from the start,
// who may work on them, and the volumes that outlive it.

#include "actors/session_core.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

error not_started(const session_info& info) {
  if (info.state == session_state::starting)
    return error{errc::failed_precondition, "the session has not started yet"};
  return session_files::gone();
}

} // namespace

result<session_files_ptr> session_core::open_files() {
  if (files_)
    return files_;
  if (!worker_ || !ports_.open_files)
    return not_started(info_);
  auto made = ports_.open_files(*worker_, limits_);
  if (made)
    files_ = *made;
  return made;
}

void session_core::files(const reply<session_files_ptr>& to) {
  if (info_.state == session_state::starting)
    return awaiting_files_.push_back(to);
  if (info_.state == session_state::dead || !closing_.empty())
    return to.refuse(session_files::gone());
  idle_since_ = clock_type::now(); // Somebody uses it.
  to.deliver(open_files());
}

// -- from the start
// ---------------------------------------------------------------------------------

void session_core::furnish() {
  if (wish_.files.empty() && wish_.volumes.empty())
    return begin_setup();
  auto opened = open_files();
  if (!opened)
    return cannot_furnish(opened.why());
  attach_next();
}

// Volumes first: files that are given may be meant to replace some of theirs.
void session_core::attach_next() {
  if (info_.state != session_state::starting || !files_)
    return;
  if (attached_ < wish_.volumes.size())
    return ports_.attach_volume(
        wish_.volumes[attached_], files_,
        resumed<volume_mount>([](session_core& core, result<volume_mount> made) {
          if (!made)
            return core.cannot_furnish(made.why());
          ++core.attached_;
          core.info_.volumes.push_back(*std::move(made));
          core.attach_next();
        }));
  if (wish_.files.empty())
    return begin_setup();
  files_->put_all(std::exchange(wish_.files, {}),
                  resumed<done>([](session_core& core, result<done> ok) {
                    if (!ok)
                      core.cannot_furnish(ok.why());
                    else if (core.info_.state == session_state::starting)
                      core.begin_setup();
                  }));
}

void session_core::cannot_furnish(const error& why) {
  if (info_.state != session_state::starting)
    return;
  start_error_ = error{why.code, "the session could not be started: " + why.detail};
  kill_for(cause{.what = "files", .limit = {}, .enforced_by = enforcer::daemon});
}

// -- volumes
// ----------------------------------------------------------------------------------------

void session_core::commit_volume(const std::string& volume, bool force,
                                 const reply<volume_info>& to) {
  auto found = std::find_if(info_.volumes.begin(), info_.volumes.end(),
                            [&](const volume_mount& one) { return one.volume == volume; });
  if (found == info_.volumes.end())
    return to.refuse(error{errc::not_found, "this session has no volume '" + volume + "'"});
  if (!found->write)
    return to.refuse(error{errc::permission_denied,
                           "this session has the volume '" + volume
                               + "' to read; `access` VOLUME_ACCESS_WRITE would let it commit"});
  auto files = open_files();
  if (!files)
    return to.refuse(std::move(files).why());
  ports_.commit_volume(*found, *files, force,
                       resumed<volume_info>([to](session_core& core, result<volume_info> made) {
                         if (made)
                           for (auto& one : core.info_.volumes)
                             if (one.volume == made->name)
                               one.version = made->version;
                         to.deliver(std::move(made));
                       }));
}

void session_core::commit_and_close(const reply<done>& to) {
  bool any = std::any_of(info_.volumes.begin(), info_.volumes.end(),
                         [](const volume_mount& one) { return one.write; });
  if (!awaiting_commits_.empty())
    return awaiting_commits_.push_back(to); // One round is under way: it is everybody's.
  if (!any || info_.state == session_state::dead || info_.state == session_state::starting
      || !closing_.empty())
    return close(to, closed_by_);
  awaiting_commits_.push_back(to);
  committed_ = 0;
  commit_error_ = {};
  commit_next();
}

// One volume after the other; one that fails does not keep the others from it. Whatever comes of
// it, the session is closed.
void session_core::commit_next() {
  while (committed_ < info_.volumes.size() && !info_.volumes[committed_].write)
    ++committed_;
  if (committed_ >= info_.volumes.size())
    return end_commits();
  auto name = info_.volumes[committed_++].volume;
  commit_volume(name, false, resumed<volume_info>([](session_core& core, result<volume_info> made) {
                  if (!made && core.commit_error_.code == errc::none)
                    core.commit_error_ = std::move(made).why();
                  core.commit_next();
                }));
}

void session_core::end_commits() {
  auto why = std::exchange(commit_error_, {});
  if (why.code != errc::none)
    why.detail = "the session is closed, but its volumes were not all written back: " + why.detail;
  for (const auto& to : std::exchange(awaiting_commits_, {}))
    to.deliver(why.code == errc::none ? result<done>{done{}} : result<done>{why});
  close(reply<done>{}, closed_by_);
}

} // namespace vivarium
