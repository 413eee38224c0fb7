// SPDX-License-Identifier: Apache-2.0
// One client, one request at a time: how long one eval takes over each way in.
#include "bench/api.hpp"
#include "bench/http_client.hpp"
#include "bench/net.hpp"
#include "bench/rows.hpp"

#include <array>
#include <functional>
#include <string>
#include <vector>

namespace bench {

std::vector<double> sample(double seconds, const std::function<void(std::uint64_t)>& once) {
  std::uint64_t number = 0;
  auto warm = now_ns() + static_cast<std::int64_t>(seconds * 0.2e9);
  while (now_ns() < warm)
    once(++number);
  std::vector<double> samples;
  auto now = now_ns();
  for (auto end = now + static_cast<std::int64_t>(seconds * 1e9); now < end;) {
    auto begin = now;
    once(++number);
    now = now_ns();
    samples.push_back(static_cast<double>(now - begin) / 1e3);
  }
  return samples;
}

namespace {

void same_source(const char* name, const target& to, std::unique_ptr<ws_client> connection) {
  caller api{*connection};
  auto session = api.create(to.environment);
  api.eval(session, "1+1");
  auto frame = client_frame(1, frame_kind::eval, eval_request(session, "1+1"));
  auto samples = sample(to.seconds, [&](std::uint64_t) { api.exchange(frame); });
  api.eval(session, "1+1");
  figures{name}.add_samples(samples).print();
  api.close(session);
}

void websocket_unix(const target& to) {
  same_source("eval-ws-unix", to, to.websocket_unix());
}

void websocket_tcp(const target& to) {
  same_source("eval-ws-tcp", to, to.websocket_tcp());
}

void new_source(const target& to) {
  auto connection = to.websocket_unix();
  caller api{*connection};
  auto session = api.create(to.environment);
  auto samples = sample(to.seconds, [&](std::uint64_t n) {
    api.exchange(
        client_frame(n, frame_kind::eval, eval_request(session, std::to_string(n) + "+1")));
  });
  figures{"eval-ws-unix-new-source"}.add_samples(samples).print();
  api.close(session);
}

void over_http(const char* name, const target& to, int fd, bool json) {
  auto helper = to.websocket_unix();
  caller api{*helper};
  auto session = api.create(to.environment);
  http_client http{fd, json};
  auto body =
      json ? R"({"session":")" + session + R"(","source":"1+1"})" : eval_request(session, "1+1");
  auto samples =
      sample(to.seconds, [&](std::uint64_t) { http.call("ExecutionService/Eval", body); });
  auto last = http.call("ExecutionService/Eval", body);
  if (json ? last.find("\"result\"") == last.npos : !is_result(last))
    die("an eval has no result: " + std::string{last});
  figures{name}.add_samples(samples).print();
  api.close(session);
}

void http_binary(const target& to) {
  over_http("eval-http-binary", to, connect_tcp(to.tcp_port), false);
}

void http_json(const target& to) {
  over_http("eval-http-json", to, connect_tcp(to.tcp_port), true);
}

void http_unix(const target& to) {
  over_http("eval-http-unix-binary", to, connect_unix(to.unix_path), false);
}

constexpr std::array rows{
    row{"eval-ws-unix", websocket_unix},        row{"eval-ws-tcp", websocket_tcp},
    row{"eval-ws-unix-new-source", new_source}, row{"eval-http-binary", http_binary},
    row{"eval-http-json", http_json},           row{"eval-http-unix-binary", http_unix},
};

} // namespace

std::span<const row> eval_rows() {
  return rows;
}

} // namespace bench
