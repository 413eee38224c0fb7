// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "daemon/environment_types.hpp"
#include "daemon/wire.hpp"

#include <string>
#include <string_view>
#include <vector>

/// Environments at the border.
namespace vivarium::wire {

[[nodiscard]] result<environment_registration> decode_register_environment(codec as,
                                                                           std::string_view bytes);
[[nodiscard]] result<build_request> decode_build_environment(codec as, std::string_view bytes);
/// GetEnvironment and RemoveEnvironment: the name.
[[nodiscard]] result<std::string> decode_environment_name(message type, codec as,
                                                          std::string_view bytes);
[[nodiscard]] result<verify_request> decode_verify_environment(codec as, std::string_view bytes);

/// An Environment, for messages that have one.
[[nodiscard]] std::string bytes_of(const environment_info& what);
/// The responses of RegisterEnvironment and GetEnvironment.
[[nodiscard]] result<std::string> encode_environment(message type, codec as,
                                                     const environment_info& what);
[[nodiscard]] result<std::string> encode_environments(codec as,
                                                      const std::vector<environment_info>& all);
/// The messages of BuildEnvironment.
[[nodiscard]] result<std::string> encode_build_line(codec as, std::string_view line);
[[nodiscard]] result<std::string> encode_built(codec as, const environment_info& what);
[[nodiscard]] result<std::string> encode_verification(codec as,
                                                      const environment_verification& what);

} // namespace vivarium::wire
