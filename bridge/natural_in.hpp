// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "bridge/validate.hpp"
#include "proto/result.hpp"

#include <string>
#include <string_view>

namespace vivarium::bridge {

// Natural JSON from a client, as the encoding of google.protobuf's messages, to an encoded
// vivarium.v1.Value that `validate_value` accepts: null, booleans, strings, lists, dicts. A number
// without a fraction within +-(2^53 - 1) becomes an int, any other (and -0.0) a float. An object
// whose "$ref" is a string that begins with "ref_" becomes that ref. Refuses what is malformed,
// nests too deeply, has too many parts. Any thread.

/// Of a google.protobuf.Value.
result<std::string> value_of_struct(std::string_view encoded, const decode_bounds& bounds = {});
/// Of a google.protobuf.Struct: a dict, whatever its keys.
result<std::string> value_of_struct_map(std::string_view encoded, const decode_bounds& bounds = {});
/// Of a google.protobuf.ListValue: a list.
result<std::string> value_of_list(std::string_view encoded, const decode_bounds& bounds = {});

} // namespace vivarium::bridge
