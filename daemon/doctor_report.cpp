// SPDX-License-Identifier: Apache-2.0

// The part of the doctor that attacks.

#include "bridge/natural.hpp"
#include "daemon/doctor.hpp"
#include "daemon/doctor_attacks.hpp"
#include "daemon/trial.hpp"
#include "proto/unique_fd.hpp"

#include <algorithm>
#include <iomanip>
#include <ostream>

#include <netinet/in.h>
#include <sys/socket.h>

namespace vivarium {

namespace {

constexpr std::string_view neighbour = "neighbour";
constexpr unsigned neighbour_timeout_ms = 30'000;
constexpr std::size_t detail_bytes = 300;

struct finding {
  std::string_view attack;
  std::string_view layer;
  std::string_view outcome;
  std::string detail; ///< What was answered, when it did not hold.
};

/// A server on loopback that no worker may meet; the answer to "is the host within reach".
class loopback_server {
public:
  loopback_server() : listening_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(where);
    auto* at = reinterpret_cast<sockaddr*>(&where);
    if (::bind(listening_.get(), at, size) == 0 && ::listen(listening_.get(), 8) == 0
        && ::getsockname(listening_.get(), at, &size) == 0)
      port_ = ntohs(where.sin_port);
  }
  /// 0 when there is none.
  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }

private:
  unique_fd listening_;
  std::uint16_t port_ = 0;
};

bool left_out(const config& as, std::string_view layer) {
  return std::find(as.allow_degraded.begin(), as.allow_degraded.end(), layer)
         != as.allow_degraded.end();
}

finding try_one(const trial& on, const config& as, const trial_attack& attack,
                const std::string& prelude) {
  finding out{attack.name, attack.layer, "held", {}};
  auto answer = on.evaluate(prelude + std::string{attack.source}, "", attack.timeout_ms);
  if (answer && answer->find(attack.proof) != std::string::npos) {
    if (left_out(as, attack.layer)) {
      out.outcome = "degraded";
      out.detail = "the layer is left out; another one stopped it";
    }
    return out;
  }
  out.outcome = "broken";
  out.detail = answer ? answer->substr(0, detail_bytes) : answer.why().detail;
  return out;
}

finding ask_neighbour(const trial& on, int answered) {
  auto answer = on.evaluate("n = globals().get('n', 0) + 1\nn", neighbour, neighbour_timeout_ms);
  auto wanted = R"("json":)" + std::to_string(answered) + "}";
  if (answer && answer->find(wanted) != std::string::npos)
    return {"the neighbour of all of them", "process", "held", {}};
  return {"the neighbour of all of them", "process", "broken",
          answer ? answer->substr(0, detail_bytes) : answer.why().detail};
}

std::vector<finding> attack_all(const trial& on, const config& as) {
  loopback_server server;
  auto prelude = attack_prelude(server.port());
  std::vector<finding> out;
  int asked = 0;
  auto beside = ask_neighbour(on, ++asked);
  for (const auto& attack : trial_attacks()) {
    out.push_back(try_one(on, as, attack, prelude));
    if (auto now = ask_neighbour(on, ++asked); now.outcome != "held" && beside.outcome == "held")
      beside = {now.attack, now.layer, now.outcome,
                "after \"" + std::string{attack.name} + "\": " + now.detail};
  }
  out.push_back(std::move(beside));
  return out;
}

long count_of(const std::vector<finding>& all, std::string_view outcome) {
  return std::count_if(all.begin(), all.end(),
                       [outcome](const auto& one) { return one.outcome == outcome; });
}

void print_text(std::ostream& out, const std::vector<finding>& all) {
  for (const auto& one : all) {
    out << std::left << std::setw(10) << one.outcome << std::setw(32) << one.attack << one.layer
        << '\n';
    if (!one.detail.empty())
      out << "          " << one.detail << '\n';
  }
  out << count_of(all, "held") << " held, " << count_of(all, "degraded") << " degraded, "
      << count_of(all, "broken") << " broken.\n";
}

void print_json(std::ostream& out, const std::vector<finding>& all) {
  std::string text = R"({"attacks":[)";
  for (const auto& one : all) {
    text += text.ends_with('[') ? R"({"attack":)" : R"(,{"attack":)";
    bridge::append_json_string(text, one.attack);
    text += R"(,"layer":)";
    bridge::append_json_string(text, one.layer);
    text += R"(,"outcome":)";
    bridge::append_json_string(text, one.outcome);
    text += R"(,"detail":)";
    bridge::append_json_string(text, one.detail);
    text += "}";
  }
  out << text << "]";
  for (auto outcome : {"held", "degraded", "broken"})
    out << ",\"" << outcome << "\":" << count_of(all, outcome);
  out << "}\n";
}

} // namespace

bool print_attacks(std::ostream& out, const config& as, report_form form) {
  std::vector<finding> all;
  if (auto on = trial::start(as); on)
    all = attack_all(*on, as);
  else
    all.push_back({"starting a sandbox", "daemon", "broken", on.why().detail});
  form == report_form::json ? print_json(out, all) : print_text(out, all);
  return count_of(all, "held") == static_cast<long>(all.size());
}

} // namespace vivarium
