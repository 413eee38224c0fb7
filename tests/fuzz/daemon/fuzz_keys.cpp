// SPDX-License-Identifier: Apache-2.0
// The first line is a header `Authorization`, as a client writes it; the rest is a key file, as
// somebody has edited it. What is read is written and read again.
#include "daemon/key_file.hpp"

#include <cstdint>
#include <cstdlib>

using namespace vivarium;

namespace {

void must(bool what) {
  if (!what)
    std::abort();
}

void look_at_header(std::string_view header) {
  auto bearer = bearer_of(header);
  auto shown = bearer ? parse_key(*bearer) : std::nullopt;
  if (!shown)
    return;
  must(show_key(shown->id, shown->secret) == *bearer);
  // Its parts are the header's own bytes, and neither could be a line of a log or a file by itself.
  must(shown->id.find_first_of(" \r\n_\"") == std::string_view::npos);
  api_key key;
  key.hash = hash_of(shown->secret);
  must(key.opened_by(hash_of(shown->secret), {}));
  must(!key.opened_by(hash_of(header), {}));
}

void look_at_file(std::string_view text) {
  auto first = parse_key_file(text);
  for (const auto& key : first.keys) {
    must(!show_time(key.created).empty());
    must(!key.opened_by({}, {}) || key.hash == key_hash{}
         || (key.before && key.before->hash == key_hash{}));
  }
  auto written = render_key_file(first.keys);
  auto second = parse_key_file(written);
  must(second.complete && second.problems.empty() && second.keys.size() == first.keys.size());
  must(render_key_file(second.keys) == written);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  auto line = text.find('\n');
  look_at_header(text.substr(0, line));
  if (line != std::string_view::npos)
    look_at_file(text.substr(line + 1));
  return 0;
}
