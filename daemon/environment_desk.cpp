// SPDX-License-Identifier: Apache-2.0
#include "daemon/environment_desk.hpp"

#include "daemon/environment_json.hpp"
#include "proto/ids.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <unistd.h>

// What clients ask of the desk, and what it knows; environment_builds.cpp has how things are built.
namespace vivarium {

namespace {

constexpr std::size_t most_looks = 4;
constexpr std::chrono::milliseconds look_timeout{60'000};

error no_such(const std::string& name) {
  return error{errc::not_found, "there is no environment '" + name + "'"};
}

} // namespace

environment_desk::environment_desk(boost::asio::io_context& reactor, service& core,
                                   build_settings with,
                                   const std::map<std::string, environment_settings>& configured,
                                   log& journal)
    : reactor_{reactor}, core_{core}, with_{std::move(with)},
      configured_{configured}, journal_{journal}, store_{reactor.get_executor()} {}

environment_desk::~environment_desk() {
  *alive_ = false;
  for (auto& [which, one] : entries_)
    if (one.tool)
      one.tool->stop(error{errc::unavailable, "the daemon is stopping"});
}

void environment_desk::open() {
  bool builds = std::any_of(configured_.begin(), configured_.end(),
                            [](const auto& one) { return one.second.recipe.has_value(); });
  if (!builds && ::access((with_.state + "/environments").c_str(), F_OK) != 0)
    return; // Who registers nothing has no directory for it.
  if (auto ok = need_store(); !ok) {
    journal_.warn("registered environments are not there", {{"detail", ok.why().detail}});
    for (const auto& [name, what] : configured_)
      if (what.recipe)
        core_.put_environment_trouble({}, name, ok.why());
  }
}

status environment_desk::need_store() {
  if (opened_)
    return done{};
  if (with_.state.empty())
    return error{errc::failed_precondition,
                 "the daemon has no state directory: say where it is with server.state_dir"};
  auto all = store_.open(with_.state);
  if (!all)
    return error{errc::unavailable,
                 "the state directory cannot be used (server.state_dir): " + all.why().detail};
  opened_ = true;
  for (auto& one : *all) {
    place which{one.owner, one.name};
    // What the configuration says now holds.
    if (one.owner.empty() && one.configured != configured_.contains(one.name))
      continue;
    entries_[which].record = std::move(one);
  }
  for (const auto& [name, what] : configured_) {
    if (!what.recipe)
      continue;
    auto& record = entries_[{std::string{}, name}].record;
    if (record.spec.recipe != what.recipe) {
      if (record.facts)
        store_.remove(record.facts->folder);
      record = {};
    }
    record.name = name;
    record.trusted = record.configured = true;
    record.spec.recipe = what.recipe;
    record.spec.preload = what.preload;
    if (!record.facts)
      order_build({std::string{}, name}, true);
  }
  for (const auto& [which, one] : entries_)
    offer(one);
  return done{};
}

// -- who may what
// -----------------------------------------------------------------------------------

status environment_desk::may_register(const environment_asker& who) const {
  if (who.admin || core_.may_register_environments(who.tenant))
    return done{};
  return error{errc::permission_denied, "this needs a key with the role admin, or tenants."
                                            + who.tenant
                                            + ".register_environments = true of the configuration"};
}

status environment_desk::may_declare(const environment_asker& who,
                                     const environment_registration& what) const {
  if (auto ok = may_register(who); !ok)
    return ok;
  if (!who.admin && (what.for_all || !what.reaches.empty()))
    return error{errc::permission_denied,
                 "`" + (what.for_all ? std::string{"for_all"} : what.reaches)
                     + "` needs a key with the role admin: it reaches beyond this tenant"};
  if (auto ok = check_name(what.name); !ok)
    return ok;
  return check_spec(what.spec);
}

const environment_desk::entry* environment_desk::find(const environment_asker& who,
                                                      const std::string& name) const {
  if (auto own = entries_.find({who.tenant, name}); own != entries_.end())
    return &own->second;
  auto shared = entries_.find({std::string{}, name});
  bool visible = shared != entries_.end() && core_.may_use_environment(who.tenant, name);
  return visible ? &shared->second : nullptr;
}

environment_desk::entry* environment_desk::find(const environment_asker& who,
                                                const std::string& name) {
  return const_cast<entry*>(std::as_const(*this).find(who, name)); // NOLINT
}

// -- requests
// ---------------------------------------------------------------------------------------

void environment_desk::register_one(const environment_asker& who, environment_registration what,
                                    reply<environment_info> to) {
  if (auto ok = may_declare(who, what); !ok)
    return to.refuse(ok.why());
  if (auto ok = need_store(); !ok)
    return to.refuse(ok.why());
  environment_record record;
  record.owner = what.for_all ? std::string{} : who.tenant;
  record.name = what.name;
  record.trusted = who.admin;
  record.spec = std::move(what.spec);
  if (auto& recipe = record.spec.recipe) {
    if (recipe->python.empty())
      recipe->python = with_.python;
    if (recipe->index_url.empty() && recipe->wheels.empty()) {
      recipe->index_url = with_.index_url;
      recipe->wheels = with_.wheels;
    }
    if (recipe->installer == installer_choice::automatic)
      recipe->installer = with_.installer;
    if (recipe->timeout.count() <= 0)
      recipe->timeout = with_.timeout;
    recipe->timeout = std::min(recipe->timeout, with_.timeout);
  }
  place which{record.owner, record.name};
  bool taken =
      entries_.contains(which) || (record.owner.empty() && configured_.contains(what.name));
  if (record.owner.empty() && configured_.contains(what.name))
    return to.refuse(
        error{errc::already_exists, "environment '" + what.name + "' is of the configuration"});
  if (taken && !what.force)
    return to.refuse(error{errc::already_exists, "there is an environment '" + what.name
                                                     + "' already; `force` replaces it"});
  auto own = std::count_if(entries_.begin(), entries_.end(),
                           [&](const auto& one) { return one.first.first == record.owner; });
  auto most = record.owner.empty() ? most_environments : most_environments_of_tenant;
  if (!taken && (static_cast<std::size_t>(own) >= most || entries_.size() >= most_environments))
    return to.refuse(error{errc::limit_exceeded, "there are " + std::to_string(own)
                                                     + " registered environments already, which is "
                                                       "the maximum; remove one"});
  declare(std::move(record), to, who.tenant, who.admin);
}

void environment_desk::declare(environment_record record, const reply<environment_info>& to,
                               const std::string& tenant, bool admin) {
  auto put = [this, to, tenant, admin](environment_record made) {
    place which{made.owner, made.name};
    auto& one = entries_[which];
    if (one.build) // What was being built is not wanted any more.
      end_build(which, error{errc::cancelled, "the environment has been declared anew"});
    auto before = std::exchange(one.record, std::move(made));
    one.last = nullptr;
    one.record.trouble.clear();
    forget_folder(before.facts, which.first, which.second);
    offer(one);
    save(which);
    to.give(describe(one, {tenant, admin}));
  };
  if (record.spec.recipe)
    return put(std::move(record));
  auto python = record.spec.interpreter.empty() ? record.spec.virtual_environment + "/bin/python3"
                                                : record.spec.interpreter;
  look({with_.python, with_.tool, environment_json::probe_order(python), look_timeout},
       [put, to, record = std::move(record)](result<std::string> answer) mutable {
         auto facts = answer ? environment_json::read_facts(*answer)
                             : result<environment_facts>{answer.why()};
         if (!facts)
           return to.refuse(facts.why());
         record.facts = *std::move(facts);
         put(std::move(record));
       });
}

result<environment_build_ptr> environment_desk::build(const environment_asker& who,
                                                      const build_request& what) {
  if (auto ok = may_register(who); !ok)
    return ok.why();
  auto* found = find(who, what.name);
  if (found == nullptr)
    return no_such(what.name);
  if (found->record.owner.empty() && !who.admin)
    return error{errc::permission_denied, "environment '" + what.name
                                              + "' is not this tenant's; building it needs a key "
                                                "with the role admin"};
  if (!found->record.spec.recipe)
    return error{errc::failed_precondition,
                 "environment '" + what.name
                     + "' is there as it is: it is not built from packages"};
  if (found->build)
    return found->build;
  place which{found->record.owner, found->record.name};
  if (found->record.facts && !what.force) {
    auto made = std::make_shared<environment_build>(true, nullptr);
    made->finish(describe(*found, who));
    return made;
  }
  if (queue_.size() >= most_waiting_builds)
    return error{errc::limit_exceeded,
                 std::to_string(queue_.size()) + " builds wait already, which is the maximum"};
  return order_build(which, false);
}

result<environment_info> environment_desk::get(const environment_asker& who,
                                               const std::string& name) const {
  if (const auto* found = find(who, name))
    return describe(*found, who);
  auto plain = configured_.find(name);
  if (plain == configured_.end() || !core_.may_use_environment(who.tenant, name))
    return no_such(name);
  environment_info out;
  out.name = name;
  // One with a recipe is among the entries, but where there is no state directory.
  out.state = plain->second.recipe ? environment_state::failed : environment_state::ready;
  out.python = plain->second.python;
  out.configured = true;
  out.preload = plain->second.preload;
  for (const auto& [which, trouble] : core_.environment_troubles())
    if (which == name)
      out.trouble = trouble;
  return out;
}

std::vector<environment_info> environment_desk::list(const environment_asker& who) const {
  std::map<std::string, environment_info> out;
  auto add = [&](const std::string& name) {
    if (auto found = get(who, name))
      out.emplace(name, *std::move(found));
  };
  for (const auto& [name, what] : configured_)
    add(name);
  for (const auto& [which, one] : entries_)
    if (which.first.empty() || which.first == who.tenant)
      add(which.second);
  std::vector<environment_info> all;
  for (auto& [name, info] : out) {
    info.facts.lock.clear();
    info.facts.packages.clear();
    all.push_back(std::move(info));
  }
  return all;
}

overview_page<std::pair<std::string, environment_info>>
environment_desk::list_all(const overview_part& what) const {
  std::set<place> all;
  for (const auto& [name, plain] : configured_)
    all.insert({std::string{}, name});
  for (const auto& [which, one] : entries_)
    all.insert(which);
  overview_page<std::pair<std::string, environment_info>> out;
  place after{what.after_tenant, what.after_key};
  for (auto at = all.upper_bound(after); at != all.end(); ++at) {
    if (out.entries.size() == what.most) {
      out.more = true;
      break;
    }
    const auto& [owner, name] = *at;
    out.after_tenant = owner;
    out.after_key = name;
    auto info = get({owner, true}, name);
    if (!info)
      continue;
    info->facts.lock.clear();
    info->facts.packages.clear();
    out.entries.emplace_back(owner, *std::move(info));
  }
  return out;
}

void environment_desk::verify(const environment_asker& who, verify_request what,
                              reply<environment_verification> to) {
  if (what.requirements.size() + what.stdlib.size() > most_requirements)
    return to.refuse(
        error{errc::invalid_argument,
              "there is more than " + std::to_string(most_requirements) + " things to look at"});
  environment_spec asked;
  asked.recipe.emplace().requirements = what.requirements;
  if (auto ok = check_spec(asked); !ok)
    return to.refuse(ok.why());
  auto info = get(who, what.name);
  if (!info)
    return to.refuse(info.why());
  if (info->state != environment_state::ready)
    return to.refuse(
        error{errc::failed_precondition, "environment '" + what.name + "' is not built"});
  const auto* found = find(who, what.name);
  const environment_recipe* declared = nullptr;
  std::string prefix;
  auto python = info->python;
  if (found != nullptr && found->record.spec.recipe) {
    prefix = venv_of(found->record);
    python = found->record.spec.recipe->python;
    if (what.requirements.empty() && what.stdlib.empty())
      declared = &*found->record.spec.recipe;
  }
  look({with_.python, with_.tool, environment_json::verify_order(what, python, prefix, declared),
        look_timeout},
       [to](result<std::string> answer) {
         if (!answer)
           return to.refuse(answer.why());
         auto read = environment_json::read_verification(*answer);
         if (!read)
           return to.refuse(read.why());
         to.give(*std::move(read));
       });
}

status environment_desk::remove(const environment_asker& who, const std::string& name) {
  if (auto ok = may_register(who); !ok)
    return ok;
  auto* found = find(who, name);
  bool configured = found == nullptr ? bool{get(who, name)} : found->record.configured;
  if (configured)
    return error{errc::failed_precondition,
                 "environment '" + name + "' is of the configuration: it is removed there"};
  if (found == nullptr)
    return no_such(name);
  if (found->record.owner.empty() && !who.admin)
    return error{errc::permission_denied, "environment '" + name
                                              + "' is not this tenant's; removing it needs a key "
                                                "with the role admin"};
  place which{found->record.owner, found->record.name};
  if (found->build)
    end_build(which, error{errc::cancelled, "the environment has been removed"});
  auto facts = found->record.facts;
  entries_.erase(which);
  forget_folder(facts, which.first, which.second);
  save(which);
  return done{};
}

// -- what it knows
// ----------------------------------------------------------------------------------

std::string environment_desk::venv_of(const environment_record& what) const {
  return store_.built(what.facts->folder) + "/venv";
}

environment_info environment_desk::describe(const entry& what, const environment_asker& who) const {
  const auto& record = what.record;
  environment_info out;
  out.name = record.name;
  out.state = what.build                             ? environment_state::building
              : record.facts                         ? environment_state::ready
              : what.last || !record.trouble.empty() ? environment_state::failed
                                                     : environment_state::declared;
  const auto& spec = record.spec;
  out.python = !spec.interpreter.empty()           ? spec.interpreter
               : !spec.virtual_environment.empty() ? spec.virtual_environment + "/bin/python3"
               : record.facts                      ? venv_of(record) + "/bin/python3"
                                                   : spec.recipe->python;
  if (record.facts)
    out.facts = *record.facts;
  out.trouble = record.trouble;
  out.configured = record.configured;
  out.own = !record.owner.empty() && record.owner == who.tenant;
  out.preload = spec.preload;
  return out;
}

environment_settings environment_desk::settings_of(const environment_record& what) const {
  environment_settings out;
  const auto& spec = what.spec;
  if (what.configured)
    out = configured_.at(what.name);
  out.eager = false;
  out.recipe.reset();
  if (!what.configured) {
    out.init = spec.init;
    out.import_paths = spec.import_paths;
    out.variables = spec.variables;
  }
  if (what.trusted) {
    out.preload = spec.preload;
    out.python = !spec.interpreter.empty() ? spec.interpreter
                 : spec.recipe             ? venv_of(what) + "/bin/python3"
                                           : spec.virtual_environment + "/bin/python3";
    return out;
  }
  out.python = spec.recipe->python;
  out.preload = configured_.at("default").preload;
  out.imports = spec.preload;
  out.entered = venv_of(what);
  out.dirs.push_back({store_.built(what.facts->folder), false});
  return out;
}

void environment_desk::offer(const entry& what) {
  const auto& record = what.record;
  if (record.facts)
    return core_.put_environment(record.owner, record.name, settings_of(record), nullptr);
  auto name = "environment '" + record.name + "'";
  if (what.build)
    return core_.put_environment_trouble(
        record.owner, record.name, error{errc::unavailable, name + " is being built; try again"});
  core_.put_environment_trouble(
      record.owner, record.name,
      error{errc::failed_precondition, record.trouble.empty()
                                           ? name + " has not been built (BuildEnvironment)"
                                           : name + " could not be built: " + record.trouble});
}

// Records are up to 3 MiB each and there are many: those that are as they were are not copied, and
// however fast they change, only one list waits for the disk.
void environment_desk::save(const place& changed) {
  if (auto found = entries_.find(changed); found != entries_.end())
    found->second.saved = nullptr;
  dirty_ = true;
  if (!saving_)
    write_list();
}

void environment_desk::write_list() {
  std::vector<environment_record_ptr> all;
  for (auto& [which, one] : entries_) {
    if (!one.saved)
      one.saved = std::make_shared<const environment_record>(one.record);
    all.push_back(one.saved);
  }
  saving_ = true;
  dirty_ = false;
  store_.save(std::move(all), [this, alive = alive_](status how) {
    if (!*alive)
      return;
    if (!how)
      journal_.error("the list of environments was not written", {{"detail", how.why().detail}});
    saving_ = false;
    if (dirty_)
      write_list();
  });
}

void environment_desk::look(tool_order order, tool_run::end_function then) {
  if (looks_ >= most_looks)
    return then(error{errc::busy, "other environments are being looked at; try again"});
  auto run = std::make_shared<tool_run>(reactor_);
  auto heard = std::make_shared<environment_build>(true, nullptr);
  ++looks_;
  auto ok = run->start(
      order, [heard](std::string_view text) { heard->write(text); },
      [this, alive = alive_, heard, then](result<std::string> answer) {
        if (!*alive) // `then` is the desk's, too; requests have been answered by now.
          return;
        --looks_;
        if (!answer && !heard->last_words().empty())
          return then(error{answer.why().code, answer.why().detail + "\n" + heard->last_words()});
        then(std::move(answer));
      });
  if (!ok) {
    --looks_;
    then(ok.why());
  }
}

} // namespace vivarium
