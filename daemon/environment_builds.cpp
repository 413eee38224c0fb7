// SPDX-License-Identifier: Apache-2.0
#include "daemon/environment_desk.hpp"
#include "daemon/environment_json.hpp"

#include <algorithm>
#include <utility>

// How environments are built: one after the other, into a directory that nobody uses yet.
namespace vivarium {

environment_build_ptr environment_desk::order_build(const place& which, bool wanted) {
  auto cancel = [this, alive = alive_, which] {
    if (*alive && entries_.contains(which))
      end_build(which, error{errc::cancelled, "whoever waited for the build has left"});
  };
  auto& one = entries_.at(which);
  one.build = std::make_shared<environment_build>(wanted, cancel);
  queue_.push_back(which);
  if (!one.record.facts)
    offer(one);
  auto made = one.build; // What begins now may end at once.
  next_build();
  return made;
}

void environment_desk::next_build() {
  while (running_ < with_.concurrent && !queue_.empty()) {
    auto which = queue_.front();
    queue_.pop_front();
    start_build(which);
  }
}

void environment_desk::start_build(const place& which) {
  auto folder = environment_store::new_folder();
  auto& one = entries_.at(which);
  ++running_;
  auto over = [this, alive = alive_, folder] {
    if (!*alive)
      return;
    store_.discard(folder);
    --running_;
    next_build();
  };
  store_.prepare(folder,
                 [this, alive = alive_, which, folder, over, build = one.build](status prepared) {
                   if (!*alive)
                     return;
                   auto found = entries_.find(which);
                   if (found == entries_.end() || found->second.build != build)
                     return over(); // It has been called off.
                   if (!prepared) {
                     end_build(which, prepared.why());
                     return over();
                   }
                   auto& recipe = *found->second.record.spec.recipe;
                   auto run = std::make_shared<tool_run>(reactor_);
                   auto ok = run->start(
                       {with_.python, with_.tool,
                        environment_json::build_order(recipe, store_.building(folder),
                                                      store_.built(folder), with_.bytes),
                        recipe.timeout},
                       [build](std::string_view text) { build->write(text); },
                       [this, alive, which, folder, over, build](result<std::string> answer) {
                         if (!*alive)
                           return;
                         auto still = entries_.find(which);
                         if (still == entries_.end() || still->second.build != build)
                           return over();
                         still->second.tool = nullptr;
                         built(which, folder, std::move(answer));
                       });
                   if (!ok) {
                     end_build(which, ok.why());
                     return over();
                   }
                   found->second.tool = std::move(run);
                 });
}

void environment_desk::built(const place& which, const std::string& folder,
                             result<std::string> answer) {
  auto over = [this](const std::string& what) {
    store_.discard(what);
    --running_;
  };
  auto& one = entries_.at(which);
  auto facts =
      answer ? environment_json::read_facts(*answer) : result<environment_facts>{answer.why()};
  if (!facts) {
    auto why = facts.why();
    if (auto said = one.build->last_words(); !said.empty())
      why.detail += "\n" + said;
    over(folder);
    end_build(which, std::move(why));
    return next_build();
  }
  facts->folder = folder;
  facts->built = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch());
  store_.keep(folder, [this, alive = alive_, which, folder, over, build = one.build,
                       facts = *std::move(facts)](status moved) mutable {
    if (!*alive)
      return;
    auto found = entries_.find(which);
    bool wanted = found != entries_.end() && found->second.build == build;
    if (moved && !wanted)
      store_.remove(folder);
    over(folder);
    if (wanted && moved)
      kept(which, std::move(facts));
    else if (wanted)
      end_build(which, moved.why());
    next_build();
  });
}

void environment_desk::kept(const place& which, environment_facts facts) {
  auto& one = entries_.at(which);
  auto before = std::exchange(one.record.facts, std::move(facts));
  one.record.trouble.clear();
  auto gone = [this, alive = alive_, folder = before ? before->folder : std::string{}] {
    if (*alive && !folder.empty())
      store_.remove(folder);
  };
  core_.put_environment(which.first, which.second, settings_of(one.record), gone);
  journal_.info("an environment has been built",
                {{"environment", which.second}, {"id", one.record.facts->id}});
  end_build(which, done{});
}

void environment_desk::end_build(const place& which, status how) {
  auto& one = entries_.at(which);
  auto build = std::exchange(one.build, nullptr);
  if (!build)
    return;
  std::erase(queue_, which);
  if (auto tool = std::exchange(one.tool, nullptr))
    tool->stop(error{errc::cancelled, "it is not wanted any more"});
  one.last = build;
  if (!how) {
    // Whoever leaves says nothing about the environment.
    if (how.why().code != errc::cancelled)
      one.record.trouble = how.why().detail;
    else
      one.last = nullptr;
    journal_.warn("an environment was not built",
                  {{"environment", which.second}, {"detail", how.why().detail}});
    if (!one.record.facts)
      offer(one);
  }
  save(which);
  build->finish(how ? result<environment_info>{describe(one, {which.first, true})}
                    : result<environment_info>{how.why()});
}

void environment_desk::forget_folder(const std::optional<environment_facts>& facts,
                                     const std::string& owner, const std::string& name) {
  auto gone = [this, alive = alive_, folder = facts ? facts->folder : std::string{}] {
    if (*alive && !folder.empty())
      store_.remove(folder);
  };
  core_.drop_environment(owner, name, gone);
}

} // namespace vivarium
