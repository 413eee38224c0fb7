// SPDX-License-Identifier: Apache-2.0
// The parameters of a GET: percent escapes and base64, alone and in a request.
#include "daemon/base64.hpp"
#include "daemon/connect.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace vivarium;

constexpr std::size_t most_message = 1u << 16;

void decode(std::string_view text) {
  auto plain = decode_query(text);
  if (plain && plain->size() > text.size())
    std::abort();
  if (auto bytes = decode_base64(text)) {
    std::string again;
    append_base64(again, *bytes);
    if (decode_base64(again) != bytes)
      std::abort();
  }
  // Whatever the bytes are, their base64 says them.
  std::string encoded;
  append_base64(encoded, text);
  if (decode_base64(encoded) != text)
    std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  decode(text);
  http_request http;
  http.verb = http_verb::get;
  http.set_target("/vivarium.v1.ExecutionService/List?" + std::string{text});
  connect::request asked;
  if (!connect::read_unary(asked, http, rpc::info_of(rpc::method::list), most_message)
      && asked.message.size() > most_message)
    std::abort();
  return 0;
}
