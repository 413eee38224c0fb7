// SPDX-License-Identifier: Apache-2.0
#include "daemon/application.hpp"
#include "daemon/config_keys.hpp"
#include "daemon/doctor.hpp"
#include "daemon/keys_command.hpp"
#include "daemon/lifecycle.hpp"
#include "daemon/options.hpp"

#include <exception>
#include <iostream>

#include <malloc.h>

namespace {

constexpr int ok = 0;
constexpr int failure = 1;
constexpr int usage_error = 2;

int act(const vivarium::options& chosen) {
  auto form = chosen.json ? vivarium::report_form::json : vivarium::report_form::text;
  if (chosen.what == vivarium::options::action::doctor) {
    auto facts = vivarium::sandbox::probe_host();
    for (auto& one : vivarium::shipped_environments())
      facts.push_back(std::move(one));
    return vivarium::print_facts(std::cout, facts, form) ? ok : failure;
  }
  if (chosen.what == vivarium::options::action::reference) {
    auto made = vivarium::make_config_reference();
    std::cout << made.json;
    std::cerr << made.trouble;
    return made.trouble.empty() ? ok : failure;
  }
  auto config = vivarium::load(chosen);
  if (!config) {
    std::cerr << config.why().detail << '\n';
    return usage_error;
  }
  if (chosen.what == vivarium::options::action::keys) {
    auto ok = vivarium::run_keys(chosen.keys, *config, std::cout, std::cerr);
    if (!ok)
      std::cerr << "vivariumd keys: " << ok.why().detail << '\n';
    return ok ? ::ok : failure;
  }
  if (chosen.what == vivarium::options::action::check) {
    for (const auto& line : vivarium::warnings(*config))
      std::cerr << "warning: " << line << '\n';
    std::cout << "OK\n";
    return ok;
  }
  if (chosen.what == vivarium::options::action::attack)
    return vivarium::print_attacks(std::cout, *config, form) ? ok : failure;
  vivarium::prepare_process();
  vivarium::application daemon{chosen, *std::move(config)};
  if (auto served = daemon.run(); !served) {
    std::cerr << "vivariumd: " << served.why().detail << '\n';
    return failure;
  }
  return ok;
}

} // namespace

int main(int argc, char** argv) {
  // Large results come and go all the time; memory given back to the system after each of them
  // would have to be faulted in again for the next. What is kept is bounded by the second figure.
  ::mallopt(M_MMAP_THRESHOLD, 32 << 20);
  ::mallopt(M_TRIM_THRESHOLD, 16 << 20);
  auto parsed = vivarium::parse_options(argc, argv);
  if (parsed.exit_code)
    return *parsed.exit_code;
  try {
    return act(parsed.chosen);
  } catch (const std::exception& e) {
    std::cerr << "vivariumd: " << e.what() << '\n';
    return failure;
  }
}
