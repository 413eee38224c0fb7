// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/environment_types.hpp"

#include <string>
#include <string_view>
#include <vector>

// What the daemon says to the tool that builds, what it hears from it, and what it keeps, as JSON.
namespace vivarium::environment_json {

[[nodiscard]] std::string build_order(const environment_recipe& what, const std::string& folder,
                                      const std::string& final_folder, std::uint64_t most_bytes);
/// `prefix`: of what was built; else the interpreter is asked where its packages are. `declared`:
/// stands for requirements where there are none.
[[nodiscard]] std::string verify_order(const verify_request& what, const std::string& python,
                                       const std::string& prefix,
                                       const environment_recipe* declared);
[[nodiscard]] std::string probe_order(const std::string& python);

/// The answers; an error where the tool says that there is a problem.
[[nodiscard]] result<environment_facts> read_facts(std::string_view answer);
[[nodiscard]] result<environment_verification> read_verification(std::string_view answer);

/// The store, and back.
[[nodiscard]] std::string write_store(const std::vector<environment_record_ptr>& all);
[[nodiscard]] result<std::vector<environment_record>> read_store(std::string_view text);

} // namespace vivarium::environment_json
