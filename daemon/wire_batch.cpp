// SPDX-License-Identifier: Apache-2.0
#include "daemon/wire.hpp"
#include "daemon/wire_bytes.hpp"
#include "daemon/wire_frame.hpp"

namespace vivarium::wire {

// An EvalResponse is the beginning of a BatchResult: the same fields in the same order.
result<std::string> encode_batch_result(codec as, const execution& source) {
  return encode_eval(as, source);
}

result<std::string> encode_batch_result(codec as, const error& why, std::string_view request_id) {
  // A Rejection is the beginning of a Failure.
  error plain{why.code, why.detail, {}, why.quota};
  auto rejection = encode_failure(as, plain, request_id);
  if (as == codec::json)
    return R"({"rejection":)" + rejection + "}";
  std::string out;
  append_bytes(out, 4, rejection);
  return out;
}

std::string encode_batch(codec as, const std::vector<std::string>& results) {
  std::string out;
  std::size_t size = 16;
  for (const auto& one : results)
    size += one.size() + 10;
  out.reserve(size);
  if (as == codec::proto) {
    for (const auto& one : results)
      append_bytes(out, 1, one);
    return out;
  }
  out += R"({"results":[)";
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (i > 0)
      out += ',';
    out += results[i];
  }
  out += "]}";
  return out;
}

} // namespace vivarium::wire
