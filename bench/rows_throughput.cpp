// SPDX-License-Identifier: Apache-2.0
// Many requests in flight: how many evals a second go through.
#include "bench/api.hpp"
#include "bench/net.hpp"
#include "bench/rows.hpp"

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <poll.h>

namespace bench {

namespace {

/// Keeps every frame of a connection in flight: an answer to frame `i` sends frame `i` again, and
/// answers that came together leave together. Ids are positions in `frames` plus 1.
class pump {
public:
  pump(ws_client& connection, std::vector<std::string> frames)
      : connection_{connection}, frames_{std::move(frames)} {
    for (const auto& frame : frames_)
      connection_.put(frame);
    connection_.flush();
  }

  /// Reads once, and asks again for what was answered; returns how much that was.
  std::size_t turn() {
    connection_.read();
    std::size_t answered = 0;
    for (; auto message = connection_.take(); ++answered)
      connection_.put(frames_.at(open_answer(*message).id - 1));
    if (answered > 0)
      connection_.flush();
    return answered;
  }

  /// Waits for everything in flight.
  void drain() {
    for (std::size_t left = frames_.size(); left > 0; --left)
      if (!is_result(open_answer(connection_.receive()).body))
        die("an eval has no result");
  }

private:
  ws_client& connection_;
  std::vector<std::string> frames_;
};

/// Runs all pumps until the time is over and returns answers per second.
double measure(std::vector<pump>& pumps, std::vector<pollfd>& polled, double seconds) {
  std::size_t answered = 0;
  auto begin = now_ns();
  auto end = begin + static_cast<std::int64_t>(seconds * 1e9);
  auto now = begin;
  for (; now < end; now = now_ns()) {
    if (pumps.size() == 1) {
      answered += pumps.front().turn();
      continue;
    }
    if (::poll(polled.data(), polled.size(), 10'000) <= 0)
      die("no answer within ten seconds");
    for (std::size_t i = 0; i < polled.size(); ++i)
      if (polled[i].revents != 0)
        answered += pumps[i].turn();
  }
  return static_cast<double>(answered) * 1e9 / static_cast<double>(now - begin);
}

using connections = std::vector<std::unique_ptr<ws_client>>;

/// `sessions` sessions spread over the connections, `each` requests in flight on every one.
void run(const char* name, const target& to, connections links, std::size_t sessions,
         std::size_t each) {
  caller api{*links.front()};
  std::vector<std::string> ids;
  std::vector<std::vector<std::string>> frames(links.size());
  for (std::size_t i = 0; i < sessions; ++i) {
    ids.push_back(api.create(to.environment));
    api.eval(ids.back(), "1+1");
    auto& own = frames[i % links.size()];
    for (std::size_t n = 0; n < each; ++n)
      own.push_back(
          client_frame(own.size() + 1, frame_kind::eval, eval_request(ids.back(), "1+1")));
  }
  std::vector<pump> pumps;
  std::vector<pollfd> polled;
  for (std::size_t i = 0; i < links.size(); ++i) {
    pumps.emplace_back(*links[i], std::move(frames[i]));
    polled.push_back({links[i]->fd(), POLLIN, 0});
  }
  measure(pumps, polled, to.seconds * 0.2);
  auto rate = measure(pumps, polled, to.seconds);
  for (auto& p : pumps)
    p.drain();
  figures{name}.add("per_second", rate).print();
  for (const auto& id : ids)
    api.close(id);
}

connections over_tcp(const target& to, std::size_t n) {
  connections links;
  while (links.size() < n)
    links.push_back(to.websocket_tcp());
  return links;
}

void in_flight_16(const target& to) {
  run("inflight-16", to, over_tcp(to, 1), 1, 16);
}

void in_flight_16_unix(const target& to) {
  connections links;
  links.push_back(to.websocket_unix());
  run("inflight-16-unix", to, std::move(links), 1, 16);
}

void sessions_64(const target& to) {
  run("sessions-64", to, over_tcp(to, 1), 64, 1);
}

void sessions_64_connections(const target& to) {
  run("sessions-64-connections", to, over_tcp(to, 64), 64, 1);
}

constexpr std::array rows{
    row{"inflight-16", in_flight_16},
    row{"inflight-16-unix", in_flight_16_unix},
    row{"sessions-64", sessions_64},
    row{"sessions-64-connections", sessions_64_connections},
};

} // namespace

std::span<const row> throughput_rows() {
  return rows;
}

} // namespace bench
