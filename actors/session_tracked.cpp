// SPDX-License-Identifier: Apache-2.0

// The part of a session that tells what an execution did to its files, and undoes it. Such an
// execution has the session to itself: it is sent when nothing else runs, and nothing else is until
// the files have been looked at again. What the code has not written yet, because it is buffered in
// a file that it did not close, is written first: a question to the worker, internal like others.

#include "actors/copy_hold.hpp"
#include "actors/session_core.hpp"
#include "bridge/value_writer.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t most_changes = 1'000;
constexpr auto flush_patience = 2s;

bool is_tracked(const submission& request) {
  return request.track_files || request.transaction;
}

file_report report_of(sandbox::tree_changes changes) {
  file_report out;
  out.added = std::move(changes.added);
  out.modified = std::move(changes.modified);
  out.deleted = std::move(changes.deleted);
  out.truncated = changes.truncated;
  return out;
}

} // namespace

/// Whether the first that waits has to wait on.
bool session_core::holds_back(const execution_ptr& next) {
  if (next->within != 0)
    return false;
  if (tracked_ && tracked_->now <= tracked_run::phase::ready && tracked_->what->end())
    abandon_tracking(); // Cancelled or too late meanwhile.
  if (tracked_) {
    if (tracked_->now != tracked_run::phase::ready || tracked_->what != next)
      return true;
    tracked_->now = tracked_run::phase::running;
    return false;
  }
  if (!is_tracked(next->request()))
    return false;
  if (sent_.empty() && (parked_.empty() || !next->request().transaction))
    begin_tracking(next);
  return true;
}

void session_core::abandon_tracking() {
  auto was = std::exchange(tracked_, std::nullopt);
  if (files_)
    files_->let_go_of(std::move(was->copy));
}

void session_core::begin_tracking(const execution_ptr& what) {
  auto number = ++last_tracked_;
  tracked_.emplace();
  tracked_->what = what;
  tracked_->number = number;
  auto files = open_files();
  if (!files) {
    auto then = resumed<done>(
        [number](session_core& core, result<done> how) { core.on_looked(number, how); });
    return then.refuse(std::move(files).why());
  }
  if (!what->request().transaction) {
    using seen = std::shared_ptr<const sandbox::tree_snapshot>;
    return (*files)->ask(
        [](const sandbox::workspace& space) -> result<seen> {
          auto found = sandbox::take_snapshot(space);
          if (!found)
            return std::move(found).why();
          return seen{std::make_shared<sandbox::tree_snapshot>(*std::move(found))};
        },
        resumed<seen>([number](session_core& core, result<seen> found) {
          if (found && core.tracked_ && core.tracked_->number == number)
            core.tracked_->seen = *found;
          core.on_looked(number, found ? status{done{}} : status{std::move(found).why()});
        }));
  }
  using copy = std::shared_ptr<const sandbox::tree_backup>;
  (*files)->ask(
      [budget = (*files)->budget(),
       most = config_.transaction_bytes](const sandbox::workspace& space) -> result<copy> {
        // What is in use is what will be copied, so far as nobody writes meanwhile.
        auto held = copy_hold::take(budget, sandbox::bytes_used(space), most);
        if (!held)
          return std::move(held).why();
        auto made = sandbox::tree_backup::take(space, held->bytes());
        if (!made)
          return std::move(made).why();
        auto kept = std::make_shared<std::pair<copy_hold, sandbox::tree_backup>>(*std::move(held),
                                                                                 *std::move(made));
        return copy{kept, &kept->second};
      },
      resumed<copy>([number](session_core& core, result<copy> made) {
        if (made && core.tracked_ && core.tracked_->number == number)
          core.tracked_->copy = *made;
        core.on_looked(number, made ? status{done{}} : status{std::move(made).why()});
      }));
}

void session_core::on_looked(std::uint64_t number, const status& how) {
  if (!tracked_ || tracked_->number != number || tracked_->now != tracked_run::phase::before)
    return;
  auto what = tracked_->what;
  auto place = std::find(waiting_.begin(), waiting_.end(), what);
  if (place == waiting_.end() || !how) {
    abandon_tracking();
    if (place != waiting_.end()) {
      waiting_.erase(place);
      verdict no;
      no.outcome = verdict::kind::error;
      no.error_kind = static_cast<std::uint32_t>(error_kind::limit);
      no.content = make_error(error_kind::limit,
                              "it was not begun, since its effect on the files could not be "
                              "followed: "
                                  + how.why().detail);
      complete_queued(what, std::move(no));
    }
    update_state();
  } else {
    tracked_->now = tracked_run::phase::ready;
    std::rotate(waiting_.begin(), place, place + 1);
  }
  dispatch();
  maybe_stop();
}

/// Takes the verdict of an execution that has ended, when its files are to be looked at first.
/// `told`: somebody else has been given one.
bool session_core::ends_tracked(const execution_ptr& what, verdict& how, bool told) {
  if (!tracked_ || tracked_->what != what || tracked_->now != tracked_run::phase::running)
    return false;
  tracked_->failed = told || how.outcome == verdict::kind::error;
  if (!told)
    tracked_->how = std::move(how);
  tracked_->now = tracked_run::phase::flushing;
  submission flush;
  flush.mode = bridge::run_mode::inspect;
  flush.form = bridge::value_form::none;
  const std::string asked[] = {bridge::text_value("flush")};
  flush.operands = bridge::list_value(asked);
  flush.timeout = flush_patience;
  auto order_for = order(std::move(flush), [this, number = tracked_->number](const verdict& end) {
    // Whoever ends everything ends this, too.
    if (end.session != session_outcome::lost)
      look_again(number);
  });
  send(order_for, clock_type::now());
  update_state();
  update_wake();
  return true;
}

void session_core::look_again(std::uint64_t number) {
  if (!tracked_ || tracked_->number != number || !files_)
    return;
  tracked_->now = tracked_run::phase::after;
  files_->ask(
      [seen = tracked_->seen, copy = tracked_->copy,
       undo = tracked_->failed](const sandbox::workspace& space) -> result<file_report> {
        auto after = sandbox::take_snapshot(space);
        if (!after)
          return std::move(after).why();
        const auto& before = copy ? copy->marks() : *seen;
        auto out = report_of(sandbox::compare(before, *after, most_changes));
        if (!copy)
          return out;
        out.outcome = files_outcome::kept;
        if (!undo)
          return out;
        auto restored = copy->restore(space);
        out.outcome = restored ? files_outcome::rolled_back : files_outcome::damaged;
        if (!restored)
          out.problem = restored.why().detail;
        return out;
      },
      resumed<file_report>([number](session_core& core, result<file_report> found) {
        core.on_looked_again(number, std::move(found));
      }));
}

void session_core::on_looked_again(std::uint64_t number, result<file_report> seen) {
  if (!tracked_ || tracked_->number != number)
    return;
  auto ended = *std::exchange(tracked_, std::nullopt);
  if (!seen) {
    file_report unknown;
    unknown.truncated = true;
    unknown.outcome = ended.copy ? files_outcome::damaged : files_outcome::none;
    unknown.problem = seen.why().detail;
    seen = std::move(unknown);
  }
  if (files_)
    files_->let_go_of(std::exchange(ended.copy, nullptr));
  update_state();
  if (ended.how) {
    ended.how->files = std::make_shared<const file_report>(*std::move(seen));
    ended.what->finish(*std::move(ended.how));
  }
  dispatch();
  update_wake();
  maybe_stop();
}

/// The session is lost while the files were being looked at.
void session_core::lose_tracked(const cause& why) {
  auto ended = std::exchange(tracked_, std::nullopt);
  if (ended && files_)
    files_->let_go_of(std::exchange(ended->copy, nullptr));
  if (!ended || !ended->how)
    return;
  file_report lost;
  lost.outcome = files_outcome::lost;
  ended->how->files = std::make_shared<const file_report>(std::move(lost));
  ended->how->session = session_outcome::lost;
  if (!ended->how->cause)
    ended->how->cause = why;
  ended->what->finish(*std::move(ended->how));
}

} // namespace vivarium
