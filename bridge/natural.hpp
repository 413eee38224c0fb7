// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace vivarium::bridge {

// Natural JSON of a value. None is null; ints beyond +-(2^53 - 1) are decimal strings (of more than
// 4,300 digits, or after a great many long ones in the same value, hexadecimal: "0x1f"); NaN and
// the infinities are "NaN", "Infinity", "-Infinity"; bytes and bytearrays are base64 strings;
// lists, tuples, sets and frozensets are arrays; dict keys that are neither str nor symbol are
// their repr (True, 1, (1, 2), ...); an opaque object is its repr. When two keys of a dict come to
// be the same, the later one wins. And:
//
//   complex                    its repr, "(1+2j)"
//   datetime, date, time       their isoformat, "2026-11-20T16:30:00+01:00"
//   timedelta                  its str, "-1 day, 23:59:59"
//   Decimal, UUID, symbol      a string
//   term                       {"type": ..., "data": base64}
//   array                      nested arrays where its items are bools, ints or floats of at most
//                              64 bits, at most 100,000, in at most 6 dimensions; else
//                              {"dtype": ..., "shape": [...], "data": base64}
//   function                   {"$function": name}
//   ref                        {"$ref": id, "type": type_name, "repr": ..., "length": when known}

/// Appends the JSON text of an encoded vivarium.v1.Value that `validate_value` has accepted.
void append_json(std::string& out, std::string_view value);

/// Appends the encoded google.protobuf.Value of an encoded vivarium.v1.Value, likewise.
void append_struct_value(std::string& out, std::string_view value);

/// Appends `text`, which is valid UTF-8, as a JSON string with its quotes. Escapes control
/// characters, quotes, backslashes, U+2028 and U+2029.
void append_json_string(std::string& out, std::string_view text);

} // namespace vivarium::bridge
