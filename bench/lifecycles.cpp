// SPDX-License-Identifier: Apache-2.0
#include "bench/lifecycles.hpp"

#include "bench/api.hpp"
#include "bench/net.hpp"

#include <algorithm>

namespace bench {

lifecycles::lifecycles(ws_client& connection, std::string environment)
    : connection_{connection}, environment_{std::move(environment)} {}

std::size_t lifecycles::run(const plan& plan, std::string_view source) {
  auto create = create_request(environment_);
  std::vector<std::string> slots(plan.at_once); // the session of each slot; its id is its place + 1
  std::size_t begun = 0;
  std::size_t ended = 0;
  auto begin = [&](std::uint64_t id) {
    if (!plan.more(begun))
      return;
    ++begun;
    connection_.put(client_frame(id, frame_kind::create_session, create));
  };
  for (std::uint64_t id = 1; id <= plan.at_once; ++id)
    begin(id);
  connection_.flush();
  while (ended < begun) {
    connection_.read();
    while (auto message = connection_.take()) {
      auto [id, kind, body] = open_answer(*message);
      auto& session = slots.at(id - 1);
      if (kind == frame_kind::create_session) {
        session = session_id(body);
        connection_.put(client_frame(id, frame_kind::eval, eval_request(session, source)));
        continue;
      }
      if (kind == frame_kind::eval) {
        if (!is_result(body))
          die("an eval has no result");
        if (plan.close) {
          connection_.put(client_frame(id, frame_kind::close_session, close_request(session)));
          continue;
        }
        kept_.push_back(session);
      }
      ++ended;
      begin(id);
    }
    connection_.flush();
  }
  return ended;
}

void lifecycles::close_all(std::size_t at_once) {
  std::size_t sent = 0;
  std::size_t closed = 0;
  while (closed < kept_.size()) {
    for (; sent < std::min(closed + at_once, kept_.size()); ++sent)
      connection_.put(
          client_frame(sent + 1, frame_kind::close_session, close_request(kept_[sent])));
    connection_.flush();
    connection_.read();
    for (; auto message = connection_.take(); ++closed)
      (void)open_answer(*message);
  }
  kept_.clear();
}

} // namespace bench
