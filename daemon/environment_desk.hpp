// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "actors/overview.hpp"
#include "actors/service.hpp"
#include "daemon/environment_build.hpp"
#include "daemon/environment_store.hpp"
#include "daemon/log.hpp"
#include "daemon/tool_run.hpp"

#include <boost/asio/io_context.hpp>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace vivarium {

/// Who asks.
struct environment_asker {
  const std::string& tenant;
  bool admin = false;
};

// Environments come and go while the daemon runs. The desk keeps what was declared, has it built by
// the tool, one build at a time, and tells the service what is there. An environment that a tenant
// has registered is built from wheels only, and entered by its sessions once they are sealed: no
// code of its packages runs in the daemon, in a zygote, or in anybody else's session.

/// What EnvironmentService does. Reactor thread.
class environment_desk {
public:
  environment_desk(boost::asio::io_context& reactor, service& core, build_settings with,
                   const std::map<std::string, environment_settings>& configured, log& journal);
  environment_desk(const environment_desk&) = delete;
  environment_desk& operator=(const environment_desk&) = delete;
  /// Ends what is being built.
  ~environment_desk();

  /// Takes up what was registered before, and begins to build what the configuration wants built.
  /// Blocks; before the reactor runs.
  void open();

  void register_one(const environment_asker& who, environment_registration what,
                    reply<environment_info> to);
  /// Begins a build, or joins the one that is under way.
  [[nodiscard]] result<environment_build_ptr> build(const environment_asker& who,
                                                    const build_request& what);
  [[nodiscard]] result<environment_info> get(const environment_asker& who,
                                             const std::string& name) const;
  [[nodiscard]] std::vector<environment_info> list(const environment_asker& who) const;
  /// Those of the configuration and of all tenants, by owner and name, without packages and locks.
  [[nodiscard]] overview_page<std::pair<std::string, environment_info>>
  list_all(const overview_part& what) const;
  void verify(const environment_asker& who, verify_request what,
              reply<environment_verification> to);
  [[nodiscard]] status remove(const environment_asker& who, const std::string& name);

private:
  using place = std::pair<std::string, std::string>; // owner, name
  struct entry {
    environment_record record;
    environment_record_ptr saved = {};   // the record as the list has it; null: it has changed
    environment_build_ptr build;         // waiting or running
    environment_build_ptr last;          // the one before
    std::shared_ptr<tool_run> tool = {}; // of the build
  };

  status need_store();
  [[nodiscard]] status may_register(const environment_asker& who) const;
  [[nodiscard]] status may_declare(const environment_asker& who,
                                   const environment_registration& what) const;
  /// The one that the asker means, and may see; null when there is none.
  [[nodiscard]] const entry* find(const environment_asker& who, const std::string& name) const;
  [[nodiscard]] entry* find(const environment_asker& who, const std::string& name);
  [[nodiscard]] environment_info describe(const entry& what, const environment_asker& who) const;
  void declare(environment_record record, const reply<environment_info>& to,
               const std::string& tenant, bool admin);
  environment_build_ptr order_build(const place& which, bool wanted);
  void next_build();
  void start_build(const place& which);
  void built(const place& which, const std::string& folder, result<std::string> answer);
  void kept(const place& which, environment_facts facts);
  void end_build(const place& which, status how);
  void offer(const entry& what);
  [[nodiscard]] environment_settings settings_of(const environment_record& what) const;
  [[nodiscard]] std::string venv_of(const environment_record& what) const;
  void forget_folder(const std::optional<environment_facts>& facts, const std::string& owner,
                     const std::string& name);
  /// Has the list written: one write at a time, of what has changed by then. `changed`: of which
  /// the list has another record by now, or none.
  void save(const place& changed);
  void write_list();
  void look(tool_order order, tool_run::end_function then);

  boost::asio::io_context& reactor_;
  service& core_;
  build_settings with_;
  std::map<std::string, environment_settings> configured_;
  log& journal_;
  environment_store store_;
  bool opened_ = false;
  bool saving_ = false; // the list is being written
  bool dirty_ = false;  // and is old already
  std::map<place, entry> entries_;
  std::deque<place> queue_; // builds that wait
  std::size_t running_ = 0;
  std::size_t looks_ = 0; // runs of the tool that only look
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

} // namespace vivarium
