// SPDX-License-Identifier: Apache-2.0
#include "actors/session.hpp"

#include "actors/handlers.hpp"

#include <caf/all.hpp>

namespace vivarium {

namespace {

using pointer = session_actor::stateful_pointer<session_actor_state>;

session_ports ports_of(pointer self, const session_surroundings& around,
                       const std::string& tenant) {
  // Handles, not the raw pointer, go into what may run after the actor has ended.
  session_actor me{self};
  caf::actor_addr address = self->address();
  auto post = [address](auto atom) {
    if (auto strong = caf::actor_cast<caf::actor>(address))
      caf::anon_send(strong, atom);
  };
  // To whom the watch and the keeper tell what they have to tell.
  auto tell = [address](auto atom, auto&& what) {
    if (auto strong = caf::actor_cast<caf::actor>(address))
      caf::anon_send(strong, atom, std::forward<decltype(what)>(what));
  };
  session_ports out{
      .ask_pool = [pool = around.pool, me,
                   tenant] { caf::anon_send(pool(), atom::acquire_v, me, tenant); },
      .leave_pool = [pool = around.pool, me] { caf::anon_send(pool(), atom::cancel_v, me); },
      .kill = [pool = around.pool](
                  std::uint64_t worker) { caf::anon_send(pool(), atom::release_v, worker); },
      .interrupt =
          [pool = around.pool](std::uint64_t worker, std::uint64_t number) {
            caf::anon_send(pool(), atom::interrupt_v, worker, number);
          },
      .watch_input = [self,
                      post] { self->state.worker->when_readable([post] { post(atom::input_v); }); },
      .watch_output =
          [self, post] { self->state.worker->when_writable([post] { post(atom::writable_v); }); },
      .wake_at =
          [self, post](clock_type::time_point when) {
            self->state.timer->expires_at(when);
            self->state.timer->async_wait([post](boost::system::error_code ec) {
              if (!ec)
                post(atom::tick_v);
            });
          },
      .open_gate =
          [&gate = around.gate, &watch = around.watch](
              egress_broker::client whom, const std::string& name, const egress_policy& policy) {
            return std::make_shared<egress_broker>(gate, watch, std::move(whom), name, policy);
          },
      .report_end = around.report_end,
      .report_large = around.report_large,
      .stop = [self] { self->quit(); },
      .resize =
          [pool = around.pool](std::uint64_t worker, std::uint64_t bytes, std::uint32_t inodes) {
            caf::anon_send(pool(), atom::resize_v, worker, bytes, inodes);
          },
      .watch =
          [&workers = around.workers, tell](const resource_watch::ticket& one) {
            one->beyond = [tell](cause why) { tell(atom::beyond_v, std::move(why)); };
            workers.add(one);
          },
      .share_cpu = nullptr,
      .enter_cgroup = nullptr,
      .leave_cgroup = nullptr,
      .call_host =
          [&functions = around.functions, address](const switchboard::caller& who,
                                                   function_call what, std::uint64_t number) {
            switchboard::answer_function then;
            if (number != 0)
              then = [address, number](function_answer with) {
                if (auto strong = caf::actor_cast<caf::actor>(address))
                  caf::anon_send(strong, atom::answered_v, number, std::move(with));
              };
            return functions.place(who, std::move(what), std::move(then));
          },
      .drop_call = [&functions = around.functions,
                    tenant](const std::string& id) { functions.drop(tenant, id); },
  };
  if (around.shares != nullptr)
    out.share_cpu = [&shares = *around.shares, tenant, niceness = around.niceness](worker& one,
                                                                                   bool children) {
      return shares.add(tenant, one.host_pid(), one.listener_fd(), niceness, children);
    };
  if (auto* groups = around.cgroups) {
    out.enter_cgroup = [groups, address, tenant](const std::string& session,
                                                 const sandbox::cgroup_limits& limits,
                                                 pid_t worker) {
      groups->place(tenant, session, limits, worker, [groups, address](result<std::string> made) {
        auto strong = caf::actor_cast<caf::actor>(address);
        if (strong)
          caf::anon_send(strong, atom::placed_v, made ? *made : std::string{},
                         made ? error{} : made.why());
        else if (made)
          groups->end(*std::move(made)); // The session ended meanwhile.
      });
    };
    out.leave_cgroup = [groups](std::string folder) { groups->end(std::move(folder)); };
  }
  return out;
}

} // namespace

session_actor::behavior_type session(pointer self, session_plan plan, session_surroundings around) {
  speak_through_spdlog(self);
  auto& state = self->state;
  state.timer.emplace(around.reactor);
  auto ports = ports_of(self, around, plan.tenant);
  ports.open_mailbox = [&mail = around.mail, me = caf::actor_addr{self->address()},
                        tenant = plan.tenant](std::vector<std::string> names) {
    return mail.open(tenant, std::move(names), [me] {
      if (auto strong = caf::actor_cast<caf::actor>(me))
        caf::anon_send(strong, atom::mail_v);
    });
  };
  ports.publish = [&mail = around.mail, tenant = plan.tenant,
                   id = plan.info.id](const std::string& to, std::string value) {
    return mail.publish(tenant, id, to, std::move(value));
  };
  ports.resume = [me = caf::actor_addr{self->address()}](session_step step) {
    if (auto strong = caf::actor_cast<caf::actor>(me))
      caf::anon_send(strong, atom::resume_v, std::move(step));
  };
  ports.open_files = [files = around.files, tenant = plan.tenant](
                         worker& of, const session_limits& limits) -> result<session_files_ptr> {
    auto space = sandbox::workspace::open(of.host_pid(), of.listener_fd());
    if (!space)
      return std::move(space).why();
    return std::make_shared<session_files>(files, tenant, *std::move(space), limits);
  };
  ports.attach_volume = [&volumes = around.volumes, tenant = plan.tenant](const volume_mount& what,
                                                                          session_files_ptr into,
                                                                          reply<volume_mount> to) {
    volumes.attach(tenant, what, std::move(into), std::move(to));
  };
  ports.commit_volume = [&volumes = around.volumes,
                         tenant = plan.tenant](const volume_mount& what, session_files_ptr from,
                                               bool force, reply<volume_info> to) {
    volumes.commit(tenant, what, std::move(from), force, std::move(to));
  };
  ports.use_capability = [granted = around.capabilities, me = caf::actor_addr{self->address()}](
                             std::string_view name, std::string_view operands, std::uint64_t number,
                             std::chrono::milliseconds timeout) {
    return granted->call(name, operands, timeout, [me, number](function_answer with) {
      if (auto strong = caf::actor_cast<caf::actor>(me))
        caf::anon_send(strong, atom::answered_v, number, std::move(with));
    });
  };
  ports.beat = [&beats = around.beats](const std::shared_ptr<pulse>& one) { beats.add(one); };
  ports.start = around.start;
  // The core lets go of its worker when it is lost; the copy kept here must not outlive that.
  auto stop = std::move(ports.stop);
  ports.stop = [self, stop] {
    self->state.worker.reset();
    stop();
  };
  ports.report_end = [self, report = around.report_end](session_info info) {
    self->state.worker.reset();
    report(std::move(info));
  };
  state.core.emplace(std::move(plan), around.config, around.watch, around.load, std::move(ports));
  // Every message may leave something for the worker; it is sent once, after the last one.
  auto then_flush = [self](auto&& turn) {
    turn(*self->state.core);
    if (self->mailbox().empty())
      self->state.core->flush();
  };
  return {
      [then_flush](atom::run, const execution_ptr& what, const reply<execution_ptr>& to) {
        then_flush([&](session_core& core) { core.run(what, to); });
      },
      [then_flush](atom::answered, std::uint64_t call, const function_answer& with) {
        then_flush([&](session_core& core) { core.on_answered(call, with); });
      },
      [then_flush](atom::mail) { then_flush([](session_core& core) { core.on_mail(); }); },
      [then_flush](atom::input) { then_flush([](session_core& core) { core.on_input(); }); },
      [then_flush](atom::cancel, const execution_ptr& what, stop_mode mode, const reply<bool>& to) {
        then_flush([&](session_core& core) { core.cancel(what, mode, to); });
      },
      [then_flush](atom::pull, const execution_ptr& what, std::uint64_t credit) {
        then_flush([&](session_core& core) { core.pull(what, credit); });
      },
      [then_flush](atom::feed, const execution_ptr& what, app_feed& more) {
        then_flush([&](session_core& core) { core.feed(what, std::move(more)); });
      },
      [then_flush](atom::describe, bool when_started, const reply<session_info>& to) {
        then_flush([&](session_core& core) { core.describe(when_started, to); });
      },
      [then_flush](atom::create, const namespace_request& what, const reply<namespace_info>& to) {
        then_flush([&](session_core& core) { core.create_namespace(what, to); });
      },
      [then_flush](atom::destroy, const std::string& which, const reply<done>& to) {
        then_flush([&](session_core& core) { core.destroy_namespace(which, to); });
      },
      [then_flush](atom::list, const reply<std::vector<namespace_info>>& to) {
        then_flush([&](session_core& core) { core.list_namespaces(to); });
      },
      [then_flush](atom::memory, const reply<worker_memory>& to) {
        then_flush([&](session_core& core) { core.memory(to); });
      },
      [then_flush](atom::disown, std::uint64_t owner) {
        then_flush([&](session_core& core) { core.release_owner(owner); });
      },
      [then_flush](atom::files, const reply<session_files_ptr>& to) {
        then_flush([&](session_core& core) { core.files(to); });
      },
      [then_flush](atom::commit, const std::string& volume, bool force,
                   const reply<volume_info>& to) {
        then_flush([&](session_core& core) { core.commit_volume(volume, force, to); });
      },
      [then_flush](atom::resume, session_step& step) { then_flush(step); },
      [then_flush](atom::close, const reply<done>& to) {
        then_flush([&](session_core& core) { core.close(to, "closed"); });
      },
      [then_flush](atom::close, stop_mode how, const reply<done>& to) {
        then_flush([&](session_core& core) { core.end_by_administrator(how, to); });
      },
      [then_flush](atom::commit, const reply<done>& to) {
        then_flush([&](session_core& core) { core.commit_and_close(to); });
      },
      [self, then_flush](atom::granted, worker_ptr& worker) {
        self->state.worker = worker;
        then_flush([&](session_core& core) { core.on_granted(std::move(worker)); });
      },
      [then_flush](atom::refused, const error& why) {
        then_flush([&](session_core& core) { core.on_refused(why); });
      },
      [then_flush](atom::resized, int errno_value) {
        then_flush([&](session_core& core) { core.on_resized(errno_value); });
      },
      [then_flush](atom::placed, const std::string& folder, const error& why) {
        then_flush([&](session_core& core) { core.on_placed(folder, why); });
      },
      [then_flush](atom::beyond, const cause& why) {
        then_flush([&](session_core& core) { core.on_beyond(why); });
      },
      [then_flush](atom::writable) { then_flush([](session_core& core) { core.on_writable(); }); },
      [then_flush](atom::tick) { then_flush([](session_core& core) { core.on_tick(); }); },
      [then_flush](atom::exited, const worker_end& end) {
        then_flush([&](session_core& core) { core.on_exited(end); });
      },
      [then_flush](atom::gone, std::uint64_t worker) {
        then_flush([&](session_core& core) { core.on_gone(worker); });
      },
  };
}

} // namespace vivarium
