// SPDX-License-Identifier: Apache-2.0
#include "actors/mailboxes.hpp"

#include <algorithm>
#include <utility>

namespace vivarium {

namespace {

// What a message costs beyond its value, so that a flood of empty ones is bounded too.
constexpr std::size_t message_overhead = 256;

std::size_t cost_of(const message& what) noexcept {
  return what.value.size() + what.destination.size() + message_overhead;
}

} // namespace

struct mailbox::tenant_state {
  std::unordered_map<std::string, std::vector<mailbox*>> by_name;
  std::size_t open = 0;
  std::uint64_t closed = 0; // so far
  std::size_t bytes = 0;    // of all that wait
};

mailbox::mailbox(mailboxes& all, std::shared_ptr<tenant_state> of, std::string tenant,
                 std::vector<std::string> names, std::function<void()> on_message)
    : all_{all}, of_{std::move(of)}, tenant_{std::move(tenant)}, names_{std::move(names)},
      on_message_{std::move(on_message)} {}

mailbox::~mailbox() {
  all_.close(*this);
}

void mailbox::put(message_ptr what) {
  bytes_ += cost_of(*what);
  of_->bytes += cost_of(*what);
  waiting_.push_back(std::move(what));
}

void mailbox::drop_oldest() {
  auto cost = cost_of(*waiting_.front());
  waiting_.pop_front();
  bytes_ -= cost;
  of_->bytes -= cost;
  ++next_;
  ++lost_;
}

std::optional<mailbox::delivery> mailbox::take() {
  if (waiting_.empty())
    return std::nullopt;
  delivery out{waiting_.front(), next_, std::exchange(lost_, 0)};
  drop_oldest();
  lost_ = 0;
  return out;
}

mailboxes::~mailboxes() = default;

result<mailbox_ptr> mailboxes::open(const std::string& tenant, std::vector<std::string> names,
                                    std::function<void()> on_message) {
  auto& state = tenants_[tenant];
  if (!state)
    state = std::make_shared<mailbox::tenant_state>();
  if (state->open >= limits_.mailboxes)
    return error{errc::limit_exceeded,
                 "the tenant has " + std::to_string(state->open)
                     + " mailboxes, which is the maximum; end some sessions or subscriptions",
                 {},
                 {"mailboxes", state->open, limits_.mailboxes, std::chrono::seconds{1}}};
  std::erase(names, std::string{});
  mailbox_ptr made{new mailbox{*this, state, tenant, std::move(names), std::move(on_message)}};
  ++state->open;
  for (const auto& name : made->names_)
    state->by_name[name].push_back(made.get());
  return made;
}

void mailboxes::close(mailbox& which) {
  auto& state = *which.of_;
  state.bytes -= which.bytes_;
  ++state.closed;
  for (const auto& name : which.names_)
    if (auto found = state.by_name.find(name); found != state.by_name.end()) {
      std::erase(found->second, &which);
      if (found->second.empty())
        state.by_name.erase(found);
    }
  if (--state.open == 0)
    tenants_.erase(which.tenant_);
}

result<std::uint64_t> mailboxes::publish(const std::string& tenant, std::string_view sender,
                                         const std::string& destination, std::string value) {
  auto refuse = [&](error why) {
    watch_.message_ended(tenant, why.code == errc::not_found ? "nobody" : "refused", 1);
    return why;
  };
  auto state = tenants_.find(tenant);
  auto nobody = state == tenants_.end();
  auto found = nobody ? decltype(state->second->by_name.begin()){}
                      : state->second->by_name.find(destination);
  if (nobody || found == state->second->by_name.end())
    return refuse(error{errc::not_found, "nobody receives messages as '" + destination + "'"});
  if (value.size() > limits_.message_bytes)
    return refuse(error{errc::too_large, "the message has " + std::to_string(value.size())
                                             + " bytes; the maximum is "
                                             + std::to_string(limits_.message_bytes)
                                             + " (messages.message_bytes)"});
  auto what = std::make_shared<message>(message{std::string{sender}, destination, std::move(value),
                                                std::chrono::system_clock::now()});
  auto of = state->second; // Kept: whoever is told may close every mailbox there is.
  std::vector<mailbox*> to_tell;
  std::uint64_t dropped = 0;
  for (auto* box : found->second) {
    while (!box->empty()
           && (box->size() >= limits_.messages || box->bytes_ + cost_of(*what) > limits_.bytes)) {
      box->drop_oldest();
      ++dropped;
    }
  }
  auto readers = found->second.size();
  if (of->bytes + readers * cost_of(*what) > limits_.tenant_bytes)
    return refuse(
        error{errc::limit_exceeded,
              "messages that nobody has taken yet hold " + std::to_string(of->bytes)
                  + " bytes; the maximum of a tenant is " + std::to_string(limits_.tenant_bytes)
                  + " (messages.tenant_bytes)",
              {},
              {"message_bytes", of->bytes, limits_.tenant_bytes, std::chrono::milliseconds{100}}});
  for (auto* box : found->second) {
    if (box->empty() && box->on_message_)
      to_tell.push_back(box);
    box->put(what);
  }
  watch_.message_ended(tenant, "delivered", readers);
  if (dropped > 0)
    watch_.message_ended(tenant, "dropped", dropped);
  // Somebody who is told may close others, which is rare: only then are they looked up.
  auto is_open = [&](mailbox* box) {
    auto still = of->by_name.find(destination);
    return still != of->by_name.end()
           && std::find(still->second.begin(), still->second.end(), box) != still->second.end();
  };
  for (auto closed = of->closed; auto* box : to_tell) {
    if (of->closed != closed && !is_open(box))
      continue;
    auto tell = box->on_message_;
    tell();
  }
  return readers;
}

} // namespace vivarium
