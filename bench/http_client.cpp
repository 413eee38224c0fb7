// SPDX-License-Identifier: Apache-2.0
#include "bench/http_client.hpp"

#include "bench/net.hpp"

#include <charconv>

#include <strings.h>
#include <unistd.h>

namespace bench {

namespace {

/// The value of content-length in a head whose lines end in CRLF.
std::size_t content_length(std::string_view head) {
  constexpr std::string_view name = "content-length:";
  for (auto at = head.find("\r\n"); at != head.npos; at = head.find("\r\n", at + 2)) {
    auto line = head.substr(at + 2);
    if (line.size() < name.size() || ::strncasecmp(line.data(), name.data(), name.size()) != 0)
      continue;
    line.remove_prefix(name.size());
    while (line.starts_with(' '))
      line.remove_prefix(1);
    std::size_t value = 0;
    if (std::from_chars(line.data(), line.data() + line.size(), value).ec == std::errc{})
      return value;
  }
  die("an answer has no content-length:\n" + std::string{head});
}

} // namespace

http_client::http_client(int fd, bool json) : fd_{fd}, json_{json} {}

http_client::~http_client() {
  ::close(fd_);
}

std::string_view http_client::call(std::string_view method, std::string_view body) {
  out_.assign("POST /vivarium.v1.").append(method);
  out_.append(" HTTP/1.1\r\nhost: localhost\r\nconnect-protocol-version: 1\r\ncontent-type: ");
  out_.append(json_ ? "application/json" : "application/proto");
  out_.append("\r\ncontent-length: ").append(std::to_string(body.size())).append("\r\n\r\n");
  out_.append(body);
  write_all(fd_, out_);

  in_.clear();
  auto end_of_head = in_.npos;
  while (end_of_head == in_.npos) {
    read_some(fd_, in_);
    end_of_head = in_.find("\r\n\r\n");
  }
  std::string_view head{in_.data(), end_of_head + 2};
  auto whole = end_of_head + 4 + content_length(head);
  while (in_.size() < whole)
    read_some(fd_, in_);
  if (head.substr(9, 3) != "200")
    die("a call was refused:\n" + in_);
  return std::string_view{in_}.substr(end_of_head + 4);
}

} // namespace bench
